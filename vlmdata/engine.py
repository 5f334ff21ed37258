"""Who does the work of a build: the threads of this process, or the tasks of a Ray cluster."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from vlmdata.errors import ConfigError
from vlmdata.progress import Watch
from vlmdata.settings import nearest
from vlmdata.tasks import Job, Share, scan_share, write_share

BUILT_IN = {"local": "vlmdata.engine:LocalEngine", "ray": "vlmdata.ray_engine:RayEngine"}


class Engine(Protocol):
    """Does every share of a build's two phases; what it leaves in the job's folders is the same for every engine."""

    def scan(self, job: Job, watch: Watch) -> None:
        """Scan every block that is not finished."""
        ...

    def write(self, job: Job, watch: Watch) -> None:
        """Write every output file that is not finished."""
        ...


class LocalEngine:
    """This process, with the job's number of threads."""

    def scan(self, job: Job, watch: Watch) -> None:
        """Scan every block that is not finished."""
        scan_share(job, Share(), watch)

    def write(self, job: Job, watch: Watch) -> None:
        """Write every output file that is not finished."""
        write_share(job, Share(), watch)


def engine_named(name: str) -> Engine:
    """The engine of a name. Raises ConfigError for one that is none, MissingPackageError where a package is missing."""
    if name not in BUILT_IN:
        raise ConfigError(f"there is no engine {name!r}; {nearest(name, list(BUILT_IN)) or 'known: local, ray'}")
    module, _, entry = BUILT_IN[name].partition(":")
    return cast("Engine", getattr(import_module(module), entry)())
