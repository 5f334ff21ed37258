"""`vlmtrain doctor`: what is here of all that training needs, from packages to devices that were really tried."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vlmdata.doctor.examining import surroundings
from vlmdata.doctor.findings import Examination, Finding, Section, amount
from vlmdata.doctor.packages import Packages, extra_findings, package_findings
from vlmdata.version import __version__
from vlmtrain.doctor_devices import attention_findings, device_findings

SHARED_MEMORY = Path("/dev/shm")
LITTLE_SHARED_MEMORY = 2**30
"""What Docker gives by default is a sixteenth of this; workers hand their batches over through it."""


def examine() -> Examination:
    """Look at the packages, the devices and what they can do, the machine, its disks and variables.

    torch is imported, and a few small matrices are computed on every device.
    """
    packages = Packages.of_this_environment()
    machine, *rest = surroundings(os.environ)
    return Examination(
        about="vlmtrain",
        version=__version__,
        sections=[
            Section(title="packages", findings=[*package_findings(packages, __version__, extra="train")]),
            Section(title="extras", findings=[*extra_findings(packages, but=["train"])]),
            Section(title="devices", findings=[*device_findings()]),
            Section(title="attention", findings=[*attention_findings()]),
            Section(title="machine", findings=[*machine.findings, *_shared_memory()]),
            *rest,
        ],
    )


def _shared_memory() -> Iterator[Finding]:
    """On Linux, where workers prepare batches."""
    if not SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(SHARED_MEMORY).free
    little = free < LITTLE_SHARED_MEMORY
    yield Finding(
        name="shared memory",
        found=f"{amount(free)} free",
        state="warning" if little else "fine",
        remedy="docker run --shm-size=8g; until then batches are prepared by the training itself" if little else "",
        value=free,
    )
