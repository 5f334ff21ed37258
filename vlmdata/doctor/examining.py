"""`vlmdata doctor`: what is here of all that vlmdata needs and may use. It opens no socket and imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vlmdata.doctor.findings import Examination, Section
from vlmdata.doctor.machine import disk_findings, machine_findings
from vlmdata.doctor.packages import Packages, extra_findings, package_findings
from vlmdata.doctor.variables import variable_findings
from vlmdata.version import __version__


def examine() -> Examination:
    """Look at the packages, the machine, its disks and the variables that vlmdata reads."""
    packages = Packages.of_this_environment()
    return Examination(
        about="vlmdata",
        version=__version__,
        sections=[
            Section(title="packages", findings=[*package_findings(packages, __version__)]),
            Section(title="extras", findings=[*extra_findings(packages)]),
            *surroundings(os.environ),
        ],
    )


def surroundings(environ: Mapping[str, str]) -> list[Section]:
    """What is the same for vlmdata and vlmtrain: the machine, its disks, and the variables."""
    places, token_file = _places(environ)
    return [
        Section(title="machine", findings=[*machine_findings()]),
        Section(title="disks", findings=[*disk_findings(places)]),
        Section(title="variables", findings=[*variable_findings(environ, token_file)]),
    ]


def _places(environ: Mapping[str, str]) -> tuple[dict[str, Path], Path | None]:
    """What is written to: the folder we are in, and both caches; and where the Hub's login is kept."""
    from vlmdata.image.download_cache import cache_folder

    places = {"here": Path.cwd(), "photos' cache": cache_folder(environ)}
    try:
        from huggingface_hub import constants
    except ImportError:  # it comes with datasets, whose absence has been said
        return places, None
    return {**places, "Hub's cache": Path(constants.HF_HUB_CACHE)}, Path(constants.HF_TOKEN_PATH)
