"""Where a base model is: a folder, or the Hub at a commit; and what went wrong there, in words that say what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vlmdata.errors import MissingPackageError
from vlmdata.hub.offline import forbidding, is_offline, offline_heeded
from vlmtrain.config import ModelConfig
from vlmtrain.errors import ModelError
from vlmtrain.run_problems import is_commit


def commit_of(model: ModelConfig) -> str | None:
    """The commit that a base's revision stands for now, by default its main branch's; offline as the cache knows it.

    None for a folder, and where nobody can say: then loading fails, in better words.
    """
    from transformers.utils.hub import resolve_revision

    if model.is_local:
        return None
    with offline_heeded():
        found = resolve_revision(model.base, model.revision)
    commit = getattr(found, "resolved", found)
    return commit if is_commit(commit) else None


def origin_of(model: ModelConfig) -> dict[str, Any]:
    """Which files of the base are loaded, and whether code that stands among them may run."""
    return {"revision": model.revision or "main", "trust_remote_code": model.trust_remote_code}


@contextmanager
def explained(model: ModelConfig) -> Iterator[None]:
    """What the Hub and the loaders raise, as a ModelError that says what to do."""
    try:
        with offline_heeded():
            yield
    except OSError as error:
        raise ModelError(_reason(model, error)) from error
    except ImportError as error:
        raise MissingPackageError(f"{model.base}: {error}") from error
    except ValueError as error:
        where = ": this folder holds no model that transformers can load" if model.is_local else ": can't be loaded"
        raise ModelError(f"{model.base}{where}: {error}") from error


def _reason(model: ModelConfig, error: OSError) -> str:
    from huggingface_hub import errors, is_offline_mode

    causes = list(_causes(error))
    page = f"https://huggingface.co/{model.base}"
    if model.is_local:
        return f"{model.base}: this folder holds no model that transformers can load: {error}"
    if any(isinstance(cause, errors.GatedRepoError) for cause in causes) or _status(causes) in {401, 403}:
        return (
            f"{model.base}: the Hub refuses access. Accept the licence on {page} with your account, "
            "and put a token of that account into the environment variable HF_TOKEN"
        )
    if any(isinstance(cause, errors.RevisionNotFoundError) for cause in causes):
        return f"{model.base}: there is no revision {model.revision!r}; see {page}/commits/main"
    if any(isinstance(cause, errors.RepositoryNotFoundError) for cause in causes):
        return f"{model.base}: no such model on the Hub, or it is private: see {page}, or set HF_TOKEN"
    if is_offline_mode() or is_offline(os.environ):
        return f"{model.base}: not on this machine, and {forbidding()} forbids the download; unset it"
    if any(isinstance(cause, errors.LocalEntryNotFoundError | ConnectionError) for cause in causes):
        return f"{model.base}: not on this machine, and the Hub can't be reached: {causes[-1]}"
    return f"{model.base}: can't be loaded: {error}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(causes: Sequence[BaseException]) -> int | None:
    for cause in causes:
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
    return None
