"""A stand-in of the Hub on this machine, for the real huggingface_hub: repositories, LFS, commits and downloads.

It keeps what is sent in memory, remembers each request, and can be told to fail. It offers LFS alone: whether Xet is
used is the client's choice, by whether hf_xet is installed and HF_HUB_DISABLE_XET unset.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_" + "StandInOfTheHub0123456789"
LARGE = (".parquet", ".safetensors", ".arrow", ".bin")
Answer = tuple[int, Mapping[str, str], bytes]
Fault = Callable[[str, str], int | None]


@dataclass
class Repo:
    """One repository: its commits, each with all of its files, and what its branches point to."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        """Add a commit. Its name."""
        sha = hashlib.sha1(f"{len(self.commits)} {branch} {sorted(files)}".encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def find(self, revision: str) -> str | None:
        """The commit that a branch or commit names."""
        return self.branches.get(revision) or (revision if revision in self.commits else None)

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """What a branch holds."""
        return self.commits[self.branches[revision]]


@dataclass
class Hub:
    """All that the server knows. `fault` is asked before each request and may name a status to fail with."""

    repos: dict[str, Repo] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    received: list[tuple[str, int]] = field(default_factory=list)
    fault: Fault = lambda *_: None
    address: str = ""

    def dataset(self, name: str) -> Repo:
        """A dataset's repository."""
        return self.repos[f"datasets/{name}"]

    def model(self, name: str) -> Repo:
        """A model's repository."""
        return self.repos[f"models/{name}"]

    def add(self, key: str, files: Mapping[str, bytes], *, private: bool = True) -> str:
        """A repository such as `models/me/base` that holds some files. The commit."""
        repo = self.repos.setdefault(key, Repo(private))
        return repo.commit("main", dict(files), "added")

    def sent(self) -> list[str]:
        """The requests that change something."""
        return [f"{method} {path}" for method, path in self.asked if method in {"PUT", "POST"} and _changes(path)]


def _changes(path: str) -> bool:
    return not path.endswith("/api/validate-yaml") and "/preupload/" not in path and not path.endswith("/batch")


def is_large(path: str) -> bool:
    """Whether the Hub keeps a file in LFS."""
    return path.endswith(LARGE)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET  # noqa: N815  (the base class's name)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def _answer(self, work: Callable[[str, bytes], Answer]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.hub.asked.append((self.command, path))
        failed = self.hub.fault(self.command, path)
        if failed:
            status, headers, data = failed, {}, b'{"error": "a fault of the stand-in"}'
        elif not path.startswith("/lfs/") and self.headers.get("Authorization") not in {f"Bearer {TOKEN}", None}:
            status, headers, data = 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b"{}"
        else:
            status, headers, data = work(path, body)
        self.send_response(status)
        sized = {"Content-Length": str(len(data)), "Content-Type": "application/json", **headers}
        for name, value in sized.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _get(self, path: str, _: bytes) -> Answer:
        if path == "/api/whoami-v2":
            return _json({"name": "me", "type": "user", "orgs": []})
        if found := re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            return self._info(found[1], found[2], unquote(found[3] or "main"))
        if found := re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", path):
            return self._tree(found[1], found[2], unquote(found[3]), unquote(found[4] or ""))
        if found := re.fullmatch(r"(/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            kind = "datasets" if found[1] else "models"
            return self._file(kind, found[2], unquote(found[3]), unquote(found[4]))
        return _error(404, "EntryNotFound")

    def _post(self, path: str, body: bytes) -> Answer:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if found := re.fullmatch(r"(/datasets)?/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body))
        if found := re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)/(\w[\w-]*)/(.+)", path):
            repo = self.hub.repos.get(f"{found[1]}/{found[2]}")
            if repo is None:
                return _error(404, "RepoNotFound")
            what, revision = found[3], unquote(found[4])
            if what == "branch":
                repo.branches[revision] = repo.branches["main"]
                return _json({})
            if repo.find(revision) is None:
                return _error(404, "RevisionNotFound")
            files = repo.commits[str(repo.find(revision))]
            if what == "preupload":
                return self._modes(files, json.loads(body))
            if what == "paths-info":
                wanted = parse_qs(body.decode()).get("paths", [])
                return _json([_entry(name, files[name]) for name in wanted if name in files])
            if what == "commit":
                return self._commit(f"{'datasets/' * (found[1] == 'datasets')}{found[2]}", repo, revision, body)
        return _error(404, "EntryNotFound")

    def _put(self, path: str, body: bytes) -> Answer:
        oid = path.removeprefix("/lfs/")
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, {}, b"{}"
        self.hub.received.append((oid, len(body)))
        self.hub.stored[oid] = body
        return 200, {"ETag": f'"{oid}"'}, b""

    def _create(self, asked: Mapping[str, Any]) -> Answer:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if asked.get("organization") not in {"me", "shop", None}:
            return 403, {"X-Error-Message": "You don't have the rights to create a repository under this owner"}, b"{}"
        key = f"{asked.get('type', 'model')}s/{name}"
        if key in self.hub.repos:
            return 409, {}, json.dumps({"url": f"{self.hub.address}/{name}"}).encode()
        self.hub.repos[key] = Repo(private=asked.get("visibility") == "private")
        self.hub.repos[key].commit("main", {".gitattributes": b"*.parquet filter=lfs\n"}, "initial commit")
        return _json({"url": f"{self.hub.address}/{'datasets/' * key.startswith('datasets')}{name}"})

    def _info(self, kind: str, name: str, revision: str) -> Answer:
        repo = self.hub.repos.get(f"{kind}/{name}")
        if repo is None or (repo.private and "Authorization" not in self.headers):
            return _error(401, "RepoNotFound")
        sha = repo.find(revision)
        if sha is None:
            return _error(404, "RevisionNotFound")
        siblings = [{"rfilename": path} for path in sorted(repo.commits[sha])]
        return _json({"id": name, "sha": sha, "private": repo.private, "siblings": siblings, "tags": []})

    def _tree(self, kind: str, name: str, revision: str, folder: str) -> Answer:
        repo = self.hub.repos.get(f"{kind}/{name}")
        sha = repo.find(revision) if repo is not None else None
        if repo is None or sha is None:
            return _error(404, "RevisionNotFound" if repo is not None else "RepoNotFound")
        recursive = "recursive=true" in self.path.lower()
        return _json(list(_listed(repo.commits[sha], f"{folder}/" if folder else "", recursive=recursive)))

    def _file(self, kind: str, name: str, revision: str, path: str) -> Answer:
        repo = self.hub.repos.get(f"{kind}/{name}")
        sha = repo.find(revision) if repo is not None else None
        if repo is None or sha is None:
            return _error(404, "RevisionNotFound" if repo is not None else "RepoNotFound")
        data = repo.commits[sha].get(path)
        if data is None:
            return _error(404, "EntryNotFound", {"X-Repo-Commit": sha})
        headers = {"ETag": f'"{_oid(path, data)}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        headers["Content-Type"] = "application/octet-stream"
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return 200, headers, data
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        return 206, {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}, data[first : last + 1]

    def _batch(self, asked: Mapping[str, Any]) -> Answer:
        """Git LFS' batch API: what is stored already has no actions."""
        objects = []
        for each in asked["objects"]:
            there = each["oid"] in self.hub.stored
            href = f"{self.hub.address}/lfs/{each['oid']}"
            objects.append({**each} if there else {**each, "actions": {"upload": {"href": href, "header": {}}}})
        return _json({"transfer": "basic", "objects": objects})

    def _modes(self, there: Mapping[str, bytes], asked: Mapping[str, Any]) -> Answer:
        files = []
        for each in asked["files"]:
            path = each["path"]
            said = {"path": path, "uploadMode": "lfs" if is_large(path) else "regular", "shouldIgnore": False}
            files.append(said | ({"oid": _oid(path, there[path])} if path in there else {}))
        return _json({"files": files})

    def _commit(self, name: str, repo: Repo, revision: str, body: bytes) -> Answer:
        lines = [json.loads(line) for line in body.splitlines()]
        files, message = dict(repo.files(revision)), ""
        for line in lines:
            key, value = line["key"], line["value"]
            if key == "header":
                message = value["summary"]
                if value.get("parentCommit", repo.branches[revision]) != repo.branches[revision]:
                    return 412, {"X-Error-Message": "A commit has happened since. Please refresh and try again."}, b"{}"
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        sha = repo.commit(revision, files, message)
        return _json({"success": True, "commitOid": sha, "commitUrl": f"{self.hub.address}/{name}/commit/{sha}"})


def _json(data: Any) -> Answer:
    return 200, {}, json.dumps(data).encode()


def _error(status: int, code: str, more: Mapping[str, str] | None = None) -> Answer:
    return status, {"X-Error-Code": code, **(more or {})}, b"{}"


def _oid(path: str, data: bytes) -> str:
    if is_large(path):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _oid(path, data)}
    if is_large(path):
        said["lfs"] = {"oid": _oid(path, data), "size": len(data), "pointerSize": 134}
    return said


def _listed(files: Mapping[str, bytes], below: str, *, recursive: bool) -> Iterator[dict[str, Any]]:
    folders = set()
    for path, data in sorted(files.items()):
        if not path.startswith(below):
            continue
        rest = path.removeprefix(below)
        if recursive or "/" not in rest:
            yield _entry(path, data)
        for count in range(1, rest.count("/") + 1 if recursive else min(rest.count("/"), 1) + 1):
            folders.add(below + "/".join(rest.split("/")[:count]))
    yield from ({"type": "directory", "path": folder, "size": 0, "oid": "0" * 40} for folder in sorted(folders))


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A running stand-in."""
    hub = Hub()
    handler = type("OwnHandler", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
