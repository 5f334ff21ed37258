"""Who may import whom: the rules of the architecture, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "torchvision", "ray", "google", "openai"}
STAGES = {
    "vlmdata": {"source", "convert", "draft", "image", "description", "check", "splits", "write", "reports", "exports"},
    "vlmtrain": {"model", "data", "collate", "budget", "train", "evaluation", "merging", "generation", "report"},
}
SHARED_WITH_TRAINER = {
    "record",
    "contract",
    "errors",
    "ledger",
    "pixels",
    "settings",
    "page",
    "terminal",
    "version",
    "doctor",
    "hub",
    "words",
    "plugins",
}
ASKED_FOR = {"vlmdata.ray_engine": {"ray"}, "vlmdata.description.": {"google", "openai"}}
"""What parts of vlmdata may import inside functions, since it is used only where a person has asked for it."""

SHARED_WITH_ASKING = {"description", "describe_access", "describe_settings"}
"""What may be used besides by what asks a model elsewhere, as those are asked who write descriptions."""

ASKING = ("vlmtrain.judge.", "vlmtrain.endpoint")

SHARED_WITH_TESTING = {"testing"}
"""What the conformance tests of vlmtrain have from those of vlmdata."""

PUBLIC_IN_FUNCTIONS = {"open", "load_recipe", "render"}


def modules() -> dict[str, Path]:
    found = {}
    for package in STAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = list(file.relative_to(ROOT).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """(what is imported, whether at the top of the file) of a module; imports for typing alone are left out."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    typing_only = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            yield from ((f"{node.module}.{alias.name}", node in tree.body) for alias in node.names)


def stage_of(dotted: str) -> tuple[str, str]:
    package, _, rest = dotted.partition(".")
    return package, rest.partition(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_a_stage_imports_no_other_stage(name: str) -> None:
    package, stage = stage_of(name)
    if stage not in STAGES[package]:
        return
    for target, _ in imports(name):
        other_package, other = stage_of(target)
        assert other_package != package or other == stage or other not in STAGES[package], f"{name} imports {target}"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("vlmdata")])
def test_vlmdata_imports_neither_vlmtrain_nor_anything_heavy(name: str) -> None:
    for target, at_top in imports(name):
        package = target.partition(".")[0]
        asked_for = not at_top and any(name.startswith(part) and package in may for part, may in ASKED_FOR.items())
        assert asked_for or package not in {"vlmtrain", *HEAVY}, f"{name} imports {target}"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("vlmtrain")])
def test_vlmtrain_imports_only_the_shared_part_of_vlmdata(name: str) -> None:
    shared = SHARED_WITH_TRAINER | (SHARED_WITH_ASKING if name.startswith(ASKING) else set())
    shared |= SHARED_WITH_TESTING if name.startswith("vlmtrain.testing") else set()
    for target, at_top in imports(name):
        package, module = stage_of(target)
        if package == "vlmdata":
            public = not at_top and target.count(".") == 1 and module in PUBLIC_IN_FUNCTIONS
            assert module in shared or public or target == "vlmdata", f"{name} imports {target}"


@pytest.mark.parametrize("name", ["vlmtrain", "vlmtrain.cli", "vlmtrain.config", "vlmtrain.run", "vlmtrain.protocols"])
def test_nothing_heavy_is_imported_at_the_top_of_the_journey(name: str) -> None:
    assert not [target for target, at_top in imports(name) if at_top and target.partition(".")[0] in HEAVY]


def test_there_are_no_import_circles() -> None:
    edges = {
        name: {
            found for target, at_top in imports(name) if at_top for found in [home(target)] if found and found != name
        }
        for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path, name])}"
        if name not in done:
            for other in sorted(edges[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in edges:
        visit(name, ())


def home(target: str) -> str:
    """The module of ours that a dotted name stands in, or nothing."""
    while target and target not in MODULES:
        target = target.rpartition(".")[0]
    return target


@pytest.mark.parametrize("package", STAGES)
def test_no_exported_function_bears_the_name_of_a_module(package: str) -> None:
    module = __import__(package)
    names = {name.split(".")[1] for name in MODULES if name.startswith(f"{package}.")}
    assert not names & {name for name in module.__all__ if not name.startswith("__")}
