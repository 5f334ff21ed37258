"""What `vlmdata doctor` finds, says and keeps to itself."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from rich.console import Console

import vlmdata
from vlmdata.cli import app
from vlmdata.doctor import machine, packages
from vlmdata.doctor.cgroups import Limits, limits
from vlmdata.doctor.examining import surroundings
from vlmdata.doctor.findings import Examination, Finding, Section, impersonal
from vlmdata.doctor.machine import cores_finding, disk_findings, memory, memory_finding
from vlmdata.doctor.packages import PURPOSES, Packages, extra_findings, judged, package_findings
from vlmdata.doctor.rendering import as_text, rendered
from vlmdata.doctor.variables import variable_findings
from vlmdata.terminal import exit_code_of

SECRET = "hf_neverToBeShown"


def packages_with(installed: dict[str, str | None], version: str | None = "1.0") -> Packages:
    """An environment that declares pyarrow as needed and two packages as extras, with these versions installed."""
    return Packages(
        needed=[Requirement("pyarrow<27,>=24")],
        extras={"excel": [Requirement("python-calamine<1,>=0.4")], "two": [Requirement("a>=1"), Requirement("b>=1")]},
        python=">=3.11",
        version=version,
        installed=installed,
    )


def finding(found: list[Finding], name: str) -> Finding:
    (one,) = (each for each in found if each.name == name)
    return one


def examined(*findings: Finding) -> Examination:
    return Examination(about="vlmdata", version="1.0", sections=[Section(title="packages", findings=findings)])


def test_this_environment_passes_and_names_every_core_package() -> None:
    found = vlmdata.examine()
    assert found.passed, found.wrong
    shown = {each.name for each in found.sections[0].findings}
    assert {"vlmdata", "python", "pyarrow", "datasets", "numpy", "pillow", "typer"} <= shown


def test_a_needed_package_that_is_missing_is_wrong_with_the_command_that_installs_it() -> None:
    found = finding([*package_findings(packages_with({"pyarrow": None}), "1.0")], "pyarrow")
    assert (found.state, found.found, found.expected) == ("wrong", "not installed", ">=24,<27")
    assert found.remedy == 'pip install "pyarrow>=24,<27"'


@pytest.mark.parametrize("version", ["23.0.1", "27.0", "27.1.2"])
def test_a_needed_package_outside_its_range_is_wrong(version: str) -> None:
    found = judged(Requirement("pyarrow>=24,<27"), version, '"pyarrow>=24,<27"')
    assert (found.state, found.found, found.remedy) == ("wrong", version, 'pip install "pyarrow>=24,<27"')


@pytest.mark.parametrize("version", ["24.0.0", "26.0.1", "26.1.dev3", "24.1+local"])
def test_a_version_within_the_range_is_fine_also_where_it_is_a_build_of_somebody_s_own(version: str) -> None:
    assert judged(Requirement("pyarrow>=24,<27"), version, "pyarrow").state == "fine"


def test_an_extra_that_is_not_installed_is_no_fault_and_comes_with_its_command() -> None:
    found = finding([*extra_findings(packages_with({}))], "excel")
    assert (found.state, found.remedy) == ("absent", 'pip install "vlmdata[excel]"')


def test_an_extra_in_part_or_out_of_range_is_warned_of() -> None:
    found = finding([*extra_findings(packages_with({"a": "0.9"}))], "two")
    assert (found.state, found.found) == ("warning", "b missing; a 0.9, not >=1")


def test_packages_of_an_asked_extra_are_needed() -> None:
    found = [*package_findings(packages_with({"pyarrow": "26.0", "a": "0.9"}), "1.0", extra="two")]
    assert finding(found, "a").remedy == 'pip install "a>=1"'
    assert (finding(found, "b").state, finding(found, "b").remedy) == ("wrong", 'pip install "vlmdata[two]"')


def test_code_that_is_newer_than_what_was_installed_is_told() -> None:
    found = finding([*package_findings(packages_with({"pyarrow": "26.0"}, version="0.9"), "1.0")], "vlmdata")
    assert (found.state, found.found) == ("warning", "1.0, installed as 0.9")


def test_a_folder_of_code_that_was_never_installed_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(packages.metadata, "metadata", nothing)
    found = finding([*package_findings(Packages.of_this_environment(), "1.0")], "vlmdata")
    assert (found.state, found.found) == ("wrong", "not installed as a package: what it needs is not known")


def test_every_extra_that_the_metadata_names_has_its_purpose() -> None:
    assert set(Packages.of_this_environment().extras) <= set(PURPOSES)


def test_a_control_group_of_version_2_limits_memory_and_cores_from_any_level(tmp_path: Path) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "memory.max").write_text("2147483648\n")
    (tmp_path / "outer" / "inner" / "memory.max").write_text("max\n")
    (tmp_path / "outer" / "inner" / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "own").write_text("0::/outer/inner\n")
    assert limits(tmp_path, tmp_path / "own") == Limits(memory=2**31, cores=1.5)


def test_control_groups_of_version_1_limit_each_by_its_own_hierarchy(tmp_path: Path) -> None:
    for folder in ("memory/box", "cpu/box"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (tmp_path / "memory" / "box" / "memory.limit_in_bytes").write_text("1073741824\n")
    (tmp_path / "cpu" / "box" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "box" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "own").write_text("5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n")
    assert limits(tmp_path, tmp_path / "own") == Limits(memory=2**30, cores=0.5)


@pytest.mark.parametrize("groups", ["", "0::/\n", "0::/../../elsewhere\n", "broken"])
def test_without_any_limit_there_is_none(tmp_path: Path, groups: str) -> None:
    (tmp_path / "own").write_text(groups)
    assert limits(tmp_path / "mount", tmp_path / "own") == Limits()
    assert limits(tmp_path, tmp_path / "not there") == Limits()


def test_a_container_s_limits_are_said_beside_what_the_machine_has() -> None:
    found = memory_finding(Limits(memory=2**30), (2**34, 2**33))
    assert (found.found, found.value) == ("16.0 GiB, 8.0 GiB free, limited to 1.0 GiB by a container", 2**30)
    assert cores_finding(Limits(cores=0.5)).found.endswith("limited to 0.5 by a container")
    assert cores_finding(Limits(cores=0.5)).value == 0.5


def test_the_memory_is_told_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "not there")
    found = memory()
    assert found is not None
    assert found[0] >= found[1] > 0


def test_memory_that_no_system_call_tells_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory() is None
    assert memory_finding(Limits(), None).state == "absent"


def test_a_disk_is_asked_where_its_folder_will_be(tmp_path: Path) -> None:
    (found,) = disk_findings({"cache": tmp_path / "not" / "there" / "yet"})
    assert isinstance(found.value, int)
    assert found.value > 0
    assert not (tmp_path / "not").exists()


def test_a_disk_with_little_room_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "LITTLE_DISK", 2**70)
    (found,) = disk_findings({"here": tmp_path})
    assert (found.state, found.remedy) == ("warning", "make room, or work on another disk")


def test_no_key_and_no_address_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [each.name for each in variable_findings({}) if each.found == "not set"]
    environ = {**dict.fromkeys(names, SECRET), "HOME": os.environ.get("HOME", "")}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = vlmdata.examine()
    shown = f"{as_text(found)}{json.dumps(found.as_data())}"
    assert SECRET not in shown
    assert shown.count("not set") == 0
    assert finding([*found.sections[-1].findings], "OPENAI_API_KEY").found == "set"


def test_a_login_of_the_hub_counts_as_a_token_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    found = finding([*variable_findings({}, tmp_path / "token")], "HF_TOKEN")
    assert (found.value, found.found) == (True, "not set, but logged in with `hf auth login`")


def test_offline_mode_is_said_as_the_libraries_read_it() -> None:
    found = [*variable_findings({"VLMDATA_OFFLINE": "1", "HF_HUB_OFFLINE": "0"})]
    assert (finding(found, "VLMDATA_OFFLINE").found, finding(found, "HF_HUB_OFFLINE").found) == ("on", "off")


def test_a_cache_in_the_home_folder_is_shown_without_its_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "jane"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    _, disks, _ = surroundings({"VLMDATA_CACHE": str(home / "photos")})
    cache = finding([*disks.findings], "photos' cache").expected
    assert Path(cache) == Path("~/photos/images")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane/data", "~/data"),
        ("/home/jane", "~"),
        ("cannot open /home/jane/lib/libcudart.so: no such file", "cannot open ~/lib/libcudart.so: no such file"),
        ("/home/janet/data", "/home/janet/data"),
        ("/mnt/jane/data", "/mnt/USER/data"),
        ("/data/janes", "/data/janes"),
    ],
)
def test_a_home_folder_becomes_a_tilde(text: str, shown: str) -> None:
    assert impersonal(text, Path("/home/jane")) == shown


def test_a_home_that_is_the_root_hides_nothing() -> None:
    assert impersonal("/data/x", Path("/")) == "/data/x"


def test_what_is_wrong_stands_at_the_end_with_its_command() -> None:
    found = examined(judged(Requirement("pyarrow>=24,<27"), "21.0", '"pyarrow>=24,<27"'))
    last = as_text(found).splitlines()[-2:]
    assert last == [
        "1 to put right",
        '  pyarrow: 21.0, >=24,<27 is needed: pip install "pyarrow>=24,<27"',
    ]
    assert not found.passed


def test_names_that_look_like_markup_are_printed_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(rendered(examined(Finding(name="[bold]x[/bold]", found=":smile: [red]"))))
    assert isinstance(console.file, io.StringIO)
    assert "[bold]x[/bold]" in console.file.getvalue()
    assert ":smile: [red]" in console.file.getvalue()


def test_the_command_exits_with_1_where_something_needed_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_wrong() -> Examination:
        return examined(Finding(name="pyarrow", found="not installed", state="wrong", remedy="pip install pyarrow"))

    monkeypatch.setattr(vlmdata, "examine", one_wrong)
    assert exit_code_of(lambda: app(["doctor", "--format", "json"]), name="vlmdata") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["passed"] is False
    assert said["sections"]["packages"][0]["remedy"] == "pip install pyarrow"


def test_the_command_speaks_to_a_program_and_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: app(["doctor", "--format", "json"]), name="vlmdata") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["passed"] is True
    assert [*said["sections"]] == ["packages", "extras", "machine", "disks", "variables"]


def test_it_opens_no_socket_and_imports_nothing_heavy() -> None:
    code = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("a socket was opened")

socket.socket.connect = socket.getaddrinfo = refuse
import vlmdata
vlmdata.examine()
heavy = {"torch", "transformers", "datasets", "pyarrow", "pandas", "numpy", "ray", "openai"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_console_of_an_old_code_page_prints_all_of_it() -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "vlmdata.cli", "doctor"]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=60, env=environ)
    assert ran.returncode == 0, ran.stderr
    assert b"all that vlmdata needs is here" in ran.stdout
