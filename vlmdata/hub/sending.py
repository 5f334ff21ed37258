"""A plan brought to the Hub: only what it has not, large files one by one, and then one commit, so that readers see
the old state or the new one and nothing between.

An interrupted push goes on by doing the same again. A large file that was sent lies in the Hub's store, though no
commit names it yet: LFS says so when asked, and Xet knows each of its chunks.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from vlmdata.hub.address import MAIN, Address
from vlmdata.hub.plan import Going, Plan
from vlmdata.hub.refusals import AGAIN, HubError, explained, refuse_without_access

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

Progress = Callable[[str], None]
SECONDS = 30
EVERYBODYS = frozenset({".gitattributes", ".gitignore", "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md"})
"""Files that the Hub itself puts into a new repository, or that its page offers to add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a push did: files sent and bytes in them, files that the Hub had already, files taken away.

    `commit` is what the branch points to now. `private` says who sees it.
    """

    to: str
    url: str
    revision: str
    commit: str
    private: bool
    sent: tuple[str, ...]
    sent_bytes: int
    present: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _There:
    """What the Hub has: its commit, who sees it, and by name each file's (is large, sha256 or git's sha1)."""

    commit: str | None
    private: bool
    files: Mapping[str, tuple[bool, str]]


def send(plan: Plan, address: Address, tell: Progress) -> Sent:
    """Bring a plan to its repository. Raises HubError, with nothing of the repository changed."""
    refuse_without_access()
    from huggingface_hub import HfApi

    from vlmdata.version import __version__

    api = HfApi(library_name="vlmdata", library_version=__version__)
    with explained(address.to), _bars_on_terminals_alone():
        there = _ready(api, plan, address)
        _refuse_other(plan, address, there)
        missing = [each for each in plan.going if not _is_there(each, there.files.get(each.path))]
        names = {each.path for each in plan.going}
        stale = sorted(path for path in there.files if path not in names and _is_owned(path, plan.owned))
        commit = there.commit or ""
        if missing or stale:
            commit = _commit(_Push(api, plan, address, there.commit, tell), missing, stale)
    url = f"{api.endpoint}/{'datasets/' if plan.kind == 'dataset' else ''}{address.to}"
    return Sent(
        to=address.to,
        url=url if address.revision == MAIN else f"{url}/tree/{address.revision}",
        revision=address.revision,
        commit=commit,
        private=there.private,
        sent=tuple(each.path for each in missing),
        sent_bytes=sum(each.bytes for each in missing),
        present=tuple(sorted(names - {each.path for each in missing})),
        removed=tuple(stale),
    )


@contextmanager
def _bars_on_terminals_alone() -> Iterator[None]:
    """The library's progress bars are shown to a person, and to nobody else."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _ready(api: HfApi, plan: Plan, address: Address) -> _There:
    """The repository and branch, made where they are not there yet, and what they hold."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    asked: Any = {"repo_type": plan.kind}
    try:
        found = api.repo_info(address.to, timeout=SECONDS, **asked)
    except RepositoryNotFoundError:
        api.create_repo(address.to, private=not address.public, exist_ok=True, **asked)
        found = api.repo_info(address.to, timeout=SECONDS, **asked)
    private = bool(found.private)
    if not private and not address.public:
        raise HubError(f"{address.to}: everybody can see it on the Hub; say --public if that is meant, or name another")
    commit = found.sha
    if address.revision != MAIN:
        try:
            commit = api.repo_info(address.to, revision=address.revision, timeout=SECONDS, **asked).sha
        except RevisionNotFoundError:
            api.create_branch(address.to, branch=address.revision, exist_ok=True, **asked)
    return _There(commit, private, _files(api, plan, address))


def _files(api: HfApi, plan: Plan, address: Address) -> dict[str, tuple[bool, str]]:
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(address.to, recursive=True, revision=address.revision, repo_type=plan.kind)
    return {
        each.path: (True, each.lfs.sha256) if each.lfs is not None else (False, each.blob_id)
        for each in tree
        if isinstance(each, RepoFile)
    }


def _refuse_other(plan: Plan, address: Address, there: _There) -> None:
    """Raise HubError for a repository that holds what no such push made: a wrong name is a mistake soon made."""
    others = sorted(set(there.files) - EVERYBODYS)
    if others and plan.mark not in there.files and not address.replace:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3:,} more" if len(others) > 3 else "")
        raise HubError(
            f"{address.to}: holds something else on the Hub (no {plan.mark}, but {shown}); name another repository, or "
            "say --replace"
        )


def _is_owned(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name is one of a pattern's; a star stands for no slash."""
    return any(fnmatchcase(path, each) and path.count("/") == each.count("/") for each in patterns)


def _is_there(going: Going, found: tuple[bool, str] | None) -> bool:
    if found is None:
        return False
    large, digest = found
    if large:
        return digest == going.sha256
    return not callable(going.content) and digest == _git_sha1(_read(going.content))


def _read(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _git_sha1(data: bytes) -> str:
    """What git calls a file of these bytes (git-hash-object)."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class _Push:
    """A push under way."""

    api: HfApi
    plan: Plan
    address: Address
    parent: str | None
    tell: Progress

    @property
    def where(self) -> dict[str, Any]:
        """The repository and branch, as the library's functions take them."""
        return {"repo_id": self.address.to, "repo_type": self.plan.kind, "revision": self.address.revision}


def _commit(push: _Push, missing: list[Going], stale: list[str]) -> str:
    """Send what is missing and commit it all at once. The new commit."""
    from huggingface_hub import CommitOperationDelete

    operations: list[Any] = [CommitOperationDelete(path_in_repo=path) for path in stale]
    with tempfile.TemporaryDirectory(prefix="vlmdata-push-") as folder:
        for number, going in enumerate(missing, start=1):
            push.tell(f"{number:,} of {len(missing):,}  {going.path}  {going.bytes:,} bytes")
            place = Path(folder) / f"{number}-{PurePosixPath(going.path).name}"
            operations.append(_stored(push, going, place))
        push.tell("committing")
        made = push.api.create_commit(
            operations=operations,
            commit_message=push.address.message or f"Push the {push.plan.kind} with vlmdata",
            parent_commit=push.parent,
            **push.where,
        )
    return str(made.oid)


def _stored(push: _Push, going: Going, place: Path) -> CommitOperationAdd:
    """A file as an operation of a commit; a large one is in the Hub's store then, and no longer on this disk."""
    from huggingface_hub import CommitOperationAdd

    content = going.content
    if callable(content):
        content(place)
        content = place
    operation = CommitOperationAdd(path_in_repo=going.path, path_or_fileobj=content)
    push.api.preupload_lfs_files(additions=[operation], **push.where)
    if operation.upload_info.sha256.hex() != going.sha256:
        raise HubError(f"{going.path}: was changed while it was pushed; nothing was committed; {AGAIN}")
    if operation.path_or_fileobj == b"":
        place.unlink(missing_ok=True)
    return operation
