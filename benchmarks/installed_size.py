"""How much disk `pip install vlmdata` takes, package by package: the wheel in an environment that holds nothing else.

    python benchmarks/installed_size.py [EXTRA ...]
    python benchmarks/installed_size.py --each-extra      what each brings besides, as installed in this environment

The first exits with 1 where vlmdata without extras takes more than LIMIT. Compiled files of Python are not counted: pip
makes them, or the first run does, and they can be deleted.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections import defaultdict
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 450_000_000
SHOWN = 12
PYTHON_S_OWN = {"pip", "setuptools"}
OF_DEVELOPMENT = {"dev", "docs", "interop"}


def installed(folder: Path, extras: list[str]) -> Path:
    """The packages' folder of a new environment with the wheel of this checkout."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment", with_pip=True)
    python = next(path for place in ("bin", "Scripts") for path in (folder / "environment" / place).glob("python*"))
    asked = f"vlmdata[{','.join(extras)}] @ {wheel.as_uri()}"
    options = ["--quiet", "--no-compile", "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([str(python), "-m", "pip", "install", *options, asked], check=True)
    found = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('platlib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(found.stdout.strip())


def sizes(packages: Path) -> dict[str, int]:
    """The bytes of each distribution, by what its record lists and is there."""
    found: dict[str, int] = defaultdict(int)
    for each in metadata.distributions(path=[str(packages)]):
        for file in each.files or ():
            path = Path(str(file.locate()))
            if path.is_file() and path.suffix != ".pyc":
                found[each.metadata["Name"]] += path.stat().st_size
    return {name: size for name, size in found.items() if name not in PYTHON_S_OWN}


def needed_by(extra: str) -> set[str]:
    """The packages that vlmdata with an extra needs here, and those that they need in turn, by canonical names."""
    found: set[str] = set()
    waiting = [Requirement(f"vlmdata[{extra}]" if extra else "vlmdata")]
    seen: set[str] = set()
    while waiting:
        each = waiting.pop()
        if str(each) in seen:
            continue
        seen.add(str(each))
        found.add(canonicalize_name(each.name))
        for line in metadata.requires(each.name) or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": name}) for name in ("", *each.extras)):
                waiting.append(inner)
    return found


def say_each_extra() -> None:
    """Print what every extra takes besides vlmdata alone."""
    here = {canonicalize_name(name): size for name, size in sizes(Path(sysconfig.get_path("purelib"))).items()}
    alone = needed_by("")
    for extra in sorted(set(metadata.metadata("vlmdata").get_all("Provides-Extra") or ()) - OF_DEVELOPMENT):
        besides = needed_by(extra) - alone
        print(f"  {sum(here.get(name, 0) for name in besides) / 1e6:8.1f} MB  {len(besides):3} packages  {extra}")


def main(extras: list[str]) -> int:
    """Install, print, and judge."""
    if extras == ["--each-extra"]:
        say_each_extra()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = sizes(installed(Path(folder), extras))
    total = sum(found.values())
    largest = sorted(found, key=lambda name: -found[name])
    named = f"vlmdata[{','.join(extras)}]" if extras else "vlmdata"
    print(f"{named} on Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for name in largest[:SHOWN]:
        print(f"  {found[name] / 1e6:8.1f} MB  {found[name] / total:6.1%}  {name}")
    rest = largest[SHOWN:]
    print(f"  {sum(found[name] for name in rest) / 1e6:8.1f} MB          {len(rest)} others")
    print(
        f"  {total / 1e6:8.1f} MB  in all, {len(found)} packages"
        + ("" if extras else f"; at most {LIMIT / 1e6:.0f} MB")
    )
    return int(not extras and total > LIMIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
