"""Which folders a validation may read: a recipe from elsewhere must not lead out of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.recipe_problems import listed
from vlmdata.record import Problem
from vlmdata.settings import Place, Settings

HINT = "a recipe may read its repository, or else its own and the current folder; --root allows more"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Folders, links followed, that may be read with all that is below them."""

    folders: tuple[Path, ...]

    def holds(self, path: Path) -> bool:
        """Whether a path, links followed, is in one of the folders."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a circle of links, a null byte
            return False
        return any(real.is_relative_to(folder) for folder in self.folders)


def boundary_of(file: Path, roots: Sequence[Path] = ()) -> Boundary:
    """What a recipe may read: the repository that it stands in; where it is in none, its own and the current folder.

    `roots` are folders that the user allows beside.
    """
    folder = file.resolve().parent
    repository = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    inside = (repository,) if repository is not None else tuple(dict.fromkeys((folder, Path.cwd().resolve())))
    return Boundary((*inside, *(root.resolve() for root in roots)))


def outside_problems(settings: Settings, folder: Path, boundary: Boundary) -> Iterator[Problem]:
    """Every path of a recipe that leads out of the boundary. Nothing is opened."""
    for place, name in _paths(settings.data):
        if not boundary.holds(folder / name):
            message = f"{name!r} leads out of what may be read"
            yield settings.problem(place, message, rule="validate.outside", hint=HINT)


def outside_files(files: Sequence[Path], boundary: Boundary) -> Iterator[Problem]:
    """Every file of a source that leads out of the boundary, such as a link in a folder."""
    for file in files:
        if not boundary.holds(file):
            message = "leads out of what may be read"
            yield Problem(rule="validate.outside", message=message, source=file.name, hint=HINT)


def _paths(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """The paths that a recipe names, and where. Values of another kind are for the schema to refuse."""
    source = data.get("source")
    places: list[tuple[Place, Any]] = []
    if isinstance(source, Mapping):
        places.append((("source", "path"), source.get("path")))
        first = source.get("of")
        if isinstance(first, Mapping):
            places.append((("source", "of", "path"), first.get("path")))
    images = data.get("images")
    if isinstance(images, Mapping):
        places += [(("images", "root"), root) for root in listed(images.get("root", []))]
    split = data.get("split")
    if isinstance(split, Mapping):
        places += [(("split", key), value) for key, value in split.items()]
    for place, value in places:
        if isinstance(value, str) and value:
            yield place, value
