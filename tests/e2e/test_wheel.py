"""The wheel in environments that hold nothing else: every command of vlmdata without torch, every sample, the tests."""

from __future__ import annotations

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.environments import ROOT, Installed, built, copied_tests

pytestmark = pytest.mark.timeout(7200)

SAMPLES = sorted(
    path.parent for path in (ROOT / "samples").glob("*/*/recipe.yaml") if path.parts[-3] in {"good", "bad"}
)
WITHOUT_TORCH = ("excel", "gemini", "gemini-legacy", "heic", "language", "openai", "ray")
TOOLS = (
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "hypothesis",
    "openpyxl",
    "markdown-it-py",
    "scikit-learn",
    "numpy",
    "webdataset",
)
OF_THE_SOURCE = ("test_layers", "test_portability", "test_packaging", "fuzzing")
"""Tests that read the code as files of the checkout."""

PROGRESS = re.compile(r"^(?:scan|write|describe) [\d,]+ .*\n", re.MULTILINE)
"""What a slow machine says now and then, and a fast one never."""

QUICK = "not slow and not long and not families and not wheel"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("distributions"))[0]


@pytest.fixture(scope="module")
def plain(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """vlmdata alone, as `pip install vlmdata` leaves it."""
    return Installed.of(tmp_path_factory.mktemp("plain"), str(wheel))


def ran(installed: Installed, line: str, code: int = 0) -> str:
    """What a command says, after its exit code was looked at."""
    command, *arguments = shlex.split(line)
    found = installed.run(command, *arguments)
    assert found.returncode == code, f"{line}: exit {found.returncode}\n{found.stdout}{found.stderr}"
    return f"{found.stdout}{found.stderr}"


@pytest.mark.long
def test_vlmdata_alone_brings_no_torch_and_says_that_all_is_here(plain: Installed) -> None:
    assert (plain.packages / "vlmdata" / "__init__.py").is_file()
    for absent in ("torch", "transformers", "trl", "ray", "openai"):
        assert not (plain.packages / absent).exists(), absent
    said = json.loads(ran(plain, "vlmdata doctor --format json"))
    assert said["passed"]
    assert {each["state"] for each in said["sections"]["extras"]} == {"absent"}
    assert ran(plain, "python -m pip check").strip() == "No broken requirements found."


@pytest.mark.long
def test_every_command_of_vlmdata_works_without_torch(plain: Installed) -> None:
    catalog = (ROOT / "samples" / "catalog").as_posix()
    conversations = (ROOT / "samples" / "good" / "llava-mix").as_posix()
    described = (ROOT / "samples" / "good" / "describe-dry-run").as_posix()
    ran(plain, f"vlmdata init {catalog}/products.csv --out drafted.yaml")
    ran(plain, f"vlmdata build {catalog}/recipe.yaml --out shop")
    ran(plain, "vlmdata validate shop --format json")
    ran(plain, "vlmdata report shop --out page.html")
    ran(plain, "vlmdata split shop --out parted --shares train=0.8,test=0.2")
    ran(plain, f"vlmdata describe {described}/recipe.yaml --dry-run")
    ran(plain, f"vlmdata import {next(Path(conversations).glob('*.json')).as_posix()} --out imported")
    for number in (1, 2):
        ran(plain, f"vlmdata build {catalog}/recipe.yaml --out shared --shard {number}/2")
    ran(plain, "vlmdata join shared")
    ran(plain, "vlmdata schema record.v1")
    ran(plain, "vlmdata rule text.refusal")
    for form in ("trl", "llava", "openai", "webdataset", "parquet"):
        ran(plain, f"vlmdata export shop --to {form} --out exported/{form}")
    ran(plain, "vlmdata push shop --to somebody/shop --dry-run")
    assert not (plain.packages / "torch").exists()


@pytest.mark.long
def test_vlmtrain_says_what_it_lacks_where_vlmdata_is_alone(plain: Installed, tmp_path: Path) -> None:
    ran(plain, f"vlmdata build {(ROOT / 'samples' / 'catalog' / 'recipe.yaml').as_posix()} --out {tmp_path}/shop")
    run = tmp_path / "run.yaml"
    run.write_text("data: {path: shop}\nmodel: {base: model}\noutput: out\n", encoding="utf-8")
    said = ran(plain, "vlmtrain doctor", code=1)
    assert 'pip install "vlmdata[train]"' in said
    assert "Traceback" not in said
    said = ran(plain, f"vlmtrain sft {run.as_posix()}", code=2)
    assert "pip install 'vlmdata[train]'" in said
    ran(plain, "vlmtrain --help")


@pytest.fixture(scope="module")
def with_extras(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """vlmdata with all extras but torch's, and what tests are run with."""
    extras = ",".join(WITHOUT_TORCH)
    return Installed.of(tmp_path_factory.mktemp("extras"), f"vlmdata[{extras}] @ {wheel.as_uri()}", *TOOLS)


@pytest.mark.wheel
def test_every_sample_is_answered_by_the_installed_command_as_it_should(with_extras: Installed, tmp_path: Path) -> None:
    copy = copied_tests(tmp_path / "copy")

    def answer(sample: Path) -> str | None:
        folder = copy / sample.relative_to(ROOT)
        written = folder / "command.txt"
        line = written.read_text(encoding="utf-8") if written.is_file() else "build recipe.yaml --out OUT"
        out = tmp_path / "made" / sample.parent.name / sample.name
        out.mkdir(parents=True)
        words = [(out / "OUT").as_posix() if word == "OUT" else word for word in shlex.split(line)]
        found = with_extras.run("vlmdata", *words, folder=folder)
        printed = f"{found.stdout}{PROGRESS.sub('', found.stderr)}".replace(f"{out.as_posix()}/", "")
        said = f"exit {found.returncode}\n{printed}"
        expected = (folder / "expected.txt").read_text(encoding="utf-8")
        return None if said == expected else f"{sample.relative_to(ROOT)}\n{said}\nbut expected was\n{expected}"

    assert len(SAMPLES) > 200
    with ThreadPoolExecutor(2) as pool:
        wrong = [each for each in pool.map(answer, SAMPLES) if each]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.wheel
def test_the_tests_of_vlmdata_pass_with_the_wheel_in_an_empty_environment(
    with_extras: Installed, tmp_path: Path
) -> None:
    run_passes(with_extras, tmp_path, "tests/vlmdata", "tests/test_samples.py", "tests/test_import_cost.py")


@pytest.mark.wheel
def test_the_quick_tests_of_vlmtrain_pass_with_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """torch and the libraries of training are used where they lie; the wheel comes before them."""
    beside = Path(pytest.__file__).parent.parent
    run_passes(Installed.of(tmp_path, str(wheel), beside=beside), tmp_path, "tests/vlmtrain")


def run_passes(installed: Installed, place: Path, *names: str) -> None:
    """Run tests from a copy in which there are no packages, and look where the packages came from."""
    copy = copied_tests(place / "copy")
    (copy / "conftest.py").write_text(
        "import vlmdata, vlmtrain\n\n\ndef pytest_report_header():\n"
        "    return [f'from {each.__file__}' for each in (vlmdata, vlmtrain)]\n",
        encoding="utf-8",
    )
    but = [word for name in OF_THE_SOURCE for word in ("--ignore-glob", f"*{name}*")]
    arguments = ["-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "-m", QUICK, *but, *names]
    found = installed.run("python", "-m", "pytest", *arguments, folder=copy)
    for package in ("vlmdata", "vlmtrain"):
        assert f"from {installed.packages / package / '__init__.py'}" in found.stdout
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
