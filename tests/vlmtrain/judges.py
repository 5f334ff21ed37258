"""Judges on this machine that behave in known ways, behind servers that the real SDKs ask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.vlmdata.description.catalog import FastClock
from tests.vlmdata.description.servers.gemini import GeminiServer
from tests.vlmdata.description.servers.model_server import ModelServer, Seen, Written
from tests.vlmdata.description.servers.openai import OpenAIServer
from tests.vlmdata.description.servers.script import Act
from vlmdata.description.provider import Secret
from vlmtrain.judge.access import Judge
from vlmtrain.judge.settings import JudgeConfig

MARK = re.compile(r"The mark of this request is (#\w{20}#)\n")
Saying = Callable[[str, str], str]
"""From the first and the second answer to what the judge writes."""


def parts_of(prompt: str) -> dict[str, str]:
    """The texts of a request by their names, read as the judge is told to read it: by its mark."""
    found = MARK.match(prompt)
    assert found
    mark = re.escape(found[1])
    blocks = re.findall(rf"^{mark} ([a-z ]+)\n(.*?)\n{mark} end of \1$", prompt, re.DOTALL | re.MULTILINE)
    return dict(blocks)


def said(verdict: str, reason: str = "It names the colour.") -> str:
    """A judge's answer in the form that it is asked for."""
    return json.dumps({"reason": reason, "verdict": verdict})


def always_first(_first: str, _second: str) -> str:
    return said("first")


def longer(first: str, second: str) -> str:
    """Prefers the longer answer."""
    if len(first) == len(second):
        return said("tie")
    return said("first" if len(first) > len(second) else "second", f"{max(len(first), len(second))} characters")


class _Judging(ModelServer):
    saying: Saying = staticmethod(longer)

    def write(self, seen: Seen, act: Act) -> Written:
        """What the judge writes; the bill is that of the server."""
        written = super().write(seen, act)
        parts = parts_of(seen.prompt)
        text = written.text if act != "answer" else type(self).saying(parts["first answer"], parts["second answer"])
        counted = len(text) // 4 if act == "answer" else written.output_tokens
        self.tokens.update(output=counted - written.output_tokens)
        return Written(text=text, act=act, input_tokens=written.input_tokens, output_tokens=counted)


class OpenAIJudge(_Judging, OpenAIServer):
    """A judge behind OpenAI's chat completions."""

    model = "judge-test"


class GeminiJudge(_Judging, GeminiServer):
    """A judge behind Gemini's API."""

    model = "gemini-judge"


def server_of(kind: type[Any], saying: Saying = longer, **more: Any) -> Any:
    """A server whose judge says so."""
    made = type(kind.__name__, (kind,), {"saying": staticmethod(saying)})
    return made(**more)


def asked_at(server: ModelServer, tell: list[str] | None = None, **config: Any) -> Judge:
    """The judge behind a server."""
    provider = "gemini" if isinstance(server, GeminiServer) else "openai_compatible"
    return Judge(
        config=JudgeConfig(provider=provider, model=server.model, **config),
        key=Secret(server.key),
        endpoint=server.endpoint if isinstance(server, OpenAIServer) else server.url,
        tell=None if tell is None else tell.append,
    )


__all__ = ["FastClock", "GeminiJudge", "OpenAIJudge", "always_first", "asked_at", "longer", "parts_of", "said"]
