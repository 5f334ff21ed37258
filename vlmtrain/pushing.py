"""What a run trained, or a merged model, to the Hub."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from vlmdata.hub.address import MAIN, Address, refuse_name
from vlmdata.hub.result import PushResult
from vlmdata.hub.sending import send
from vlmtrain.push_plan import Names, model_plan


def push(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    path: str | Path,
    to: str,
    *,
    base: str | None = None,
    dataset: str | None = None,
    revision: str = MAIN,
    message: str = "",
    public: bool = False,
    include: Collection[str] = (),
    replace: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> PushResult:
    """Push what a run trained, or a merged model, to the Hub as `owner/name`, with its card.

    What the Hub has is not sent again, so that an interrupted push goes on, and a second one sends nothing. `base` is
    the base model's name on the Hub, where the run names a folder, and `dataset` that of the data. `include` names what
    goes besides: "results", "report", "predictions". With `dry_run` nothing is sent and no network is used.

    Raises ConfigError, RunError and HubError.
    """
    address = Address(to=to, revision=revision, message=message, public=public, replace=replace)
    address.check()
    for option, name in (("--base", base), ("--dataset", dataset)):
        if name is not None:
            refuse_name(option, name)
    tell = on_progress or _silent
    plan = model_plan(Path(path), Names(to=to, base=base, dataset=dataset), include)
    return PushResult(plan=plan, address=address, sent=None if dry_run else send(plan, address, tell))


def _silent(line: str) -> None:
    """Nobody is watching."""
