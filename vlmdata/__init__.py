"""Raw rows and images to a validated conversational dataset: the public API, one function for each command.

Importing this package imports nothing heavy: each function brings what it needs when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vlmdata.version import __version__

if TYPE_CHECKING:
    from vlmdata.contract import schema
    from vlmdata.dataset import open_dataset as open
    from vlmdata.dataset_page import write_report
    from vlmdata.describing import describe
    from vlmdata.doctor.examining import examine
    from vlmdata.doctor.findings import Examination
    from vlmdata.drafting import draft_recipe
    from vlmdata.drafting_hub import draft_hub_recipe
    from vlmdata.drafting_plain import Draft
    from vlmdata.exporting import export
    from vlmdata.exports.result import ExportResult
    from vlmdata.hub.result import PushResult
    from vlmdata.importing import import_dataset
    from vlmdata.ledger import Ledger
    from vlmdata.pipeline import BuildResult, build
    from vlmdata.prompting import PromptSource, SourcePrompt, render_source
    from vlmdata.pushing import push
    from vlmdata.recipe import Recipe, load_recipe
    from vlmdata.record import Problem, Rejection
    from vlmdata.rendering import Prompt, render
    from vlmdata.sharing import build_shard, join
    from vlmdata.splitting import SplitResult, split
    from vlmdata.validation import validate
    from vlmdata.validation_result import ValidationResult

_HOMES = {
    "BuildResult": "pipeline:BuildResult",
    "Draft": "drafting_plain:Draft",
    "Examination": "doctor.findings:Examination",
    "ExportResult": "exports.result:ExportResult",
    "Ledger": "ledger:Ledger",
    "Problem": "record:Problem",
    "Prompt": "rendering:Prompt",
    "PromptSource": "prompting:PromptSource",
    "PushResult": "hub.result:PushResult",
    "Recipe": "recipe:Recipe",
    "Rejection": "record:Rejection",
    "ValidationResult": "validation_result:ValidationResult",
    "SourcePrompt": "prompting:SourcePrompt",
    "SplitResult": "splitting:SplitResult",
    "build": "pipeline:build",
    "build_shard": "sharing:build_shard",
    "describe": "describing:describe",
    "draft_hub_recipe": "drafting_hub:draft_hub_recipe",
    "draft_recipe": "drafting:draft_recipe",
    "examine": "doctor.examining:examine",
    "export": "exporting:export",
    "import_dataset": "importing:import_dataset",
    "join": "sharing:join",
    "load_recipe": "recipe:load_recipe",
    "open": "dataset:open_dataset",
    "push": "pushing:push",
    "render": "rendering:render",
    "render_source": "prompting:render_source",
    "schema": "contract:schema",
    "split": "splitting:split",
    "validate": "validation:validate",
    "write_report": "dataset_page:write_report",
}

__all__ = [
    "BuildResult",
    "Draft",
    "Examination",
    "ExportResult",
    "Ledger",
    "Problem",
    "Prompt",
    "PromptSource",
    "PushResult",
    "Recipe",
    "Rejection",
    "SourcePrompt",
    "SplitResult",
    "ValidationResult",
    "__version__",
    "build",
    "build_shard",
    "describe",
    "draft_hub_recipe",
    "draft_recipe",
    "examine",
    "export",
    "import_dataset",
    "join",
    "load_recipe",
    "open",
    "push",
    "render",
    "render_source",
    "schema",
    "split",
    "validate",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Bring a name of the API from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vlmdata' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = globals()[name] = getattr(import_module(f"vlmdata.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)
