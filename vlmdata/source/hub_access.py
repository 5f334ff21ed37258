"""Reaching the Hub: a dataset's commit and its rows, and every refusal in words that say what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from vlmdata.errors import SourceError
from vlmdata.hub.offline import forbidding, offline_heeded

CONVERTED = "refs/convert/parquet"


class Wanted(Protocol):
    """What is wanted of a dataset."""

    @property
    def config(self) -> str | None: ...

    @property
    def split(self) -> str | None: ...

    @property
    def revision(self) -> str | None: ...

    @property
    def streaming(self) -> bool: ...


def resolved_revision(name: str, revision: str | None) -> str | None:
    """The commit of a revision, by default of the newest; where the Hub is not to be asked, as the cache knows it.

    The revision as it is where the cache does not. Raises SourceError where the dataset can't be had.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RevisionResolutionError

    with offline_heeded(), explained(name, revision):
        offline = constants.is_offline_mode()
        try:
            found = HfApi().resolve_revision(name, repo_type="dataset", revision=revision, local_files_only=offline)
        except RevisionResolutionError as error:
            if offline:
                return revision
            raise error.__cause__ or error from None
    return found.resolved


def loaded(place: str | Path, wanted: Wanted, *, name: str) -> Any:
    """A dataset, or a mapping of its splits. Raises SourceError."""
    import datasets

    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    with offline_heeded(), explained(name, wanted.revision), _bars_on_terminals_alone(datasets):
        if isinstance(place, Path) and _is_saved(place):
            return datasets.load_from_disk(str(place))
        split = None if isinstance(place, Path) else wanted.split
        return datasets.load_dataset(
            str(place), name=wanted.config, split=split, revision=wanted.revision, streaming=wanted.streaming
        )


def _is_saved(folder: Path) -> bool:
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


@contextmanager
def _bars_on_terminals_alone(datasets: Any) -> Iterator[None]:
    """Progress of downloads is shown to a person, and to nobody else."""
    if sys.stderr.isatty() or datasets.utils.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


@contextmanager
def explained(name: str, revision: str | None) -> Iterator[None]:
    """Turn what the Hub's libraries raise into a SourceError that says what to do."""
    from datasets.exceptions import DatasetNotFoundError, DatasetsError
    from httpx2 import HTTPError
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HfHubHTTPError as error:
        raise SourceError(f"{name}: {_refusal(error, name, revision)}") from None
    except HFValidationError:
        message = "this is no name of a dataset; one such as HuggingFaceH4/llava-instruct-mix-vsft was expected"
        raise SourceError(f"{name}: {message}") from None
    except DatasetNotFoundError as error:
        raise SourceError(f"{name}: {_not_found(error, name, revision)}") from None
    except (HTTPError, ConnectionError, TimeoutError) as error:
        if constants.is_offline_mode():
            message = f"not on this machine, and {forbidding()} forbids the download; unset it"
            raise SourceError(f"{name}: {message}") from None
        raise SourceError(f"{name}: {_unreachable(error)}") from None
    except (DatasetsError, ValueError, RuntimeError, OSError) as error:
        raise SourceError(f"{name}: {_unusable(error)}") from None


def _refusal(error: Any, name: str, revision: str | None) -> str:
    """Why the Hub did not give a dataset."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return _gated(name)
    if isinstance(error, RepositoryNotFoundError):
        return _absent()
    if isinstance(error, RevisionNotFoundError):
        return f"there is no revision {revision!r}; name a commit, a branch or a tag of the dataset"
    status = getattr(error.response, "status_code", 0)
    if status in (401, 403):
        return f"the Hub refuses access ({status}); {TOKEN}"
    if status == 429:
        return f"the Hub asks to wait (429); try again later; {TOKEN}"
    return f"the Hub answers with an error ({status}); try again later"


TOKEN = "set HF_TOKEN to a token that may read it (https://huggingface.co/settings/tokens)"


def _gated(name: str) -> str:
    page = f"https://huggingface.co/datasets/{name}"
    return f"the dataset is gated; accept its terms at {page}, and {TOKEN}"


def _absent() -> str:
    return f"the Hub has no dataset of this name, or it is private; check the name, or {TOKEN}"


def _not_found(error: Exception, name: str, revision: str | None) -> str:
    words = str(error)
    if "gated" in words:
        return _gated(name)
    return f"there is no revision {revision!r} of it" if "Revision" in words else _absent()


def _unreachable(error: Exception) -> str:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    advice = "check the network, or download the dataset elsewhere and set source.dataset to its folder"
    return f"the Hub can't be reached ({reason}); {advice}"


def _unusable(error: Exception) -> str:
    """What is wrong with a dataset that was found."""
    words = " ".join(str(error.__cause__ or error).split())
    if "scripts are no longer supported" in words:
        return f"it needs code of its own, which is never run; try revision: {CONVERTED}, or another copy of it"
    if "Config name is missing" in words or "BuilderConfig" in words:
        return f"{words[:300]}; set source.config"
    if "Unknown split" in words:
        return f"{words[:300]} Set source.split."
    return f"it can't be read: {words[:300]}"
