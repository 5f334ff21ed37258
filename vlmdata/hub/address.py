"""Where a push goes: a repository's name, a branch, who may see it; checked before anything is read or sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlmdata.errors import ConfigError

MAIN = "main"
BRANCH = re.compile(r"(?!.*(\.\.|//|@\{))[A-Za-z0-9_][A-Za-z0-9._/-]*(?<![./])(?<!\.lock)")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A repository `owner/name`, the branch, what its commit says, and whether everybody may see it.

    `replace` lets a push take over a repository that holds something else.
    """

    to: str
    revision: str = MAIN
    message: str = ""
    public: bool = False
    replace: bool = False

    def check(self) -> None:
        """Raise ConfigError for what can be no name of a repository or branch."""
        refuse_name("--to", self.to)
        if COMMIT.fullmatch(self.revision):
            raise ConfigError(f"--revision {self.revision}: is a commit, to which nothing can be added; name a branch")
        if not BRANCH.fullmatch(self.revision):
            raise ConfigError(f"--revision {self.revision!r}: can be no name of a branch, such as main or v2")


def refuse_name(option: str, name: str) -> None:
    """Raise ConfigError for what can be no name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    reason = "" if name.count("/") == 1 else "one slash was expected"
    try:
        validate_repo_id(name)
    except HFValidationError:
        reason = reason or "letters, digits, '-', '_' and '.' were expected, 96 at most"
    if reason:
        raise ConfigError(f"{option} {name!r}: is no name on the Hub such as owner/name: {reason}")
