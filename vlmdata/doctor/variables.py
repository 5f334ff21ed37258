"""Which variables are set that change what happens. Their values are shown where they are no secret and no address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlmdata.doctor.findings import Finding
from vlmdata.hub.offline import is_set

OFFLINE: Mapping[str, str] = {
    "VLMDATA_OFFLINE": "nothing is downloaded or pushed, and nobody is asked",
    "HF_HUB_OFFLINE": "nothing is downloaded from the Hugging Face Hub",
}
ADDRESSES: Mapping[str, str] = {
    "HF_ENDPOINT": "another address of the Hub",
    "VLMDATA_DESCRIBE_ENDPOINT": "where `vlmdata describe` asks",
    "RAY_ADDRESS": "the Ray cluster that builds",
    "HTTPS_PROXY": "photos are downloaded without it; descriptions and the Hub are asked through it",
}
KEYS: Mapping[str, str] = {
    "GEMINI_API_KEY": "Gemini",
    "GOOGLE_API_KEY": "Gemini",
    "OPENAI_API_KEY": "OpenAI-compatible servers",
    "VLMTRAIN_ENDPOINT_KEY": "endpoints that `vlmtrain eval` asks",
    "VLMTRAIN_JUDGE_KEY": "the judge of `vlmtrain eval`",
}


def variable_findings(environ: Mapping[str, str], token_file: Path | None = None) -> Iterator[Finding]:
    """Token, offline mode, addresses and keys: set or not, and never what to."""
    yield _token(environ, token_file)
    for name, meaning in OFFLINE.items():
        on = is_set(environ, name)
        yield Finding(
            name=name, found="on" if on else "off", state="fine" if on else "absent", expected=meaning, value=on
        )
    for name, meaning in {**ADDRESSES, **KEYS}.items():
        yield _set_or_not(name, bool(_value(environ, name)), meaning)


def _value(environ: Mapping[str, str], name: str) -> str:
    """A variable's value; proxies may be named in small letters too."""
    own = environ.get(name, "").strip()
    return own or (environ.get(name.lower(), "").strip() if name.endswith("_PROXY") else "")


def _token(environ: Mapping[str, str], token_file: Path | None) -> Finding:
    meaning = "private and gated repositories of the Hugging Face Hub"
    if environ.get("HF_TOKEN", "").strip():
        return _set_or_not("HF_TOKEN", True, meaning)
    if token_file is not None and token_file.is_file():
        return Finding(
            name="HF_TOKEN", found="not set, but logged in with `hf auth login`", expected=meaning, value=True
        )
    return _set_or_not("HF_TOKEN", False, meaning)


def _set_or_not(name: str, is_set: bool, meaning: str) -> Finding:
    found = "set" if is_set else "not set"
    return Finding(name=name, found=found, state="fine" if is_set else "absent", expected=meaning, value=is_set)
