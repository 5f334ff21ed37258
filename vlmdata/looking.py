"""What every look at a target needs, and what it notes beside the problems."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vlmdata.check_files import Layer, layered
from vlmdata.check_settings import CheckSettings
from vlmdata.collecting import Collector
from vlmdata.progress import Watch, nobody
from vlmdata.rules import rulebook


@dataclass(slots=True)
class Looked:
    """What was looked at so far."""

    splits: Counter[str] = field(default_factory=Counter)
    images: int = 0
    rows: int = 0
    sources: dict[str, str] = field(default_factory=dict)
    not_checked: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a target. `settled`: whether the settings were given, so that a recipe's own do not count.

    `plugins`: whether code from outside may be run that a recipe names.
    """

    path: Path
    collector: Collector
    looked: Looked
    against: tuple[Path, ...] = ()
    roots: tuple[Path, ...] = ()
    images: bool = True
    network: bool = False
    workers: int = 1
    watch: Watch = nobody
    layers: tuple[Layer, ...] = ()
    settled: bool = False
    plugins: bool = False

    @property
    def settings(self) -> CheckSettings:
        """The settings of this target."""
        return self.collector.settings

    @property
    def reads_images(self) -> bool:
        """Whether images are read: where they may be, and a rule is wanted that looks at them."""
        return self.images and any(
            self.settings.wants(name)
            for name in rulebook()
            if name.partition(".")[0] == "images" or name == "contract.image_info"
        )

    def settle(self, recipe_layers: list[Layer]) -> None:
        """Let a recipe's own settings count: over those of files, below those of the command."""
        if not self.settled:
            *files, command = self.layers
            self.collector.settings = layered([*files, *recipe_layers, command])

    def not_looked_at(self) -> None:
        """Say that images were not read, where they were not."""
        if not self.images:
            self.looked.not_checked.append("images (--no-images)")
        elif not self.reads_images:
            self.looked.not_checked.append("images (no rule that was asked for looks at them)")
