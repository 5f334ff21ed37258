"""What is sent to Gemini and what comes back, in the REST API's own form, which single requests and batches share.

Source of the names: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmdata.description.provider import Ask, Fault, Finish, Picture, ProviderSettings, Reply, Usage
from vlmdata.errors import ConfigError

BLOCKED = frozenset(
    {
        "BLOCKLIST",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_SAFETY",
        "JAILBREAK",
        "LANGUAGE",
        "MODEL_ARMOR",
        "PROHIBITED_CONTENT",
        "RECITATION",
        "SAFETY",
        "SPII",
    }
)
"""Reasons to end that are a verdict on the content: asking again gets the same."""

HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY")
THRESHOLDS = ("OFF", "BLOCK_NONE", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE")


def contents_of(ask: Ask) -> list[dict[str, Any]]:
    """The turns: each example as a question and its answer, then the question. Images are raw bytes in it."""
    turns = []
    for example in ask.examples:
        turns.append({"role": "user", "parts": _parts(example.pictures, example.prompt)})
        turns.append({"role": "model", "parts": [{"text": example.answer}]})
    return [*turns, {"role": "user", "parts": _parts(ask.pictures, ask.prompt)}]


def _parts(pictures: tuple[Picture, ...], prompt: str) -> list[dict[str, Any]]:
    """Images stand before the text, as the vendor advises."""
    images: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": picture.mime, "data": picture.data}} for picture in pictures
    ]
    return [*images, {"text": prompt}]


def generation_of(ask: Ask, settings: ProviderSettings) -> dict[str, Any]:
    """The `generationConfig` of a request."""
    config: dict[str, Any] = {
        "temperature": settings.temperature,
        "maxOutputTokens": settings.max_output_tokens,
        "candidateCount": 1,
    }
    if settings.thinking_budget is not None:
        config["thinkingConfig"] = {"thinkingBudget": settings.thinking_budget}
    if ask.schema is not None:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": dict(ask.schema)}
    return config


def safety_of(
    safety: Mapping[str, str], *, harms: Sequence[str] = HARMS, thresholds: Sequence[str] = THRESHOLDS
) -> list[dict[str, str]]:
    """The recipe's `safety`, in the API's words: `harassment: none` is HARM_CATEGORY_HARASSMENT at BLOCK_NONE."""
    return [
        {
            "category": f"HARM_CATEGORY_{_choice(name, harms, 'HARM_CATEGORY_')}",
            "threshold": _choice(level, thresholds, "BLOCK_"),
        }
        for name, level in safety.items()
    ]


def _choice(word: str, known: Sequence[str], prefix: str) -> str:
    plain = word.upper().replace("-", "_").replace(" ", "_").removeprefix(prefix)
    for name in known:
        if plain == name.removeprefix(prefix):
            return name
    choices = ", ".join(name.removeprefix(prefix).lower() for name in known)
    raise ConfigError(f"describe.safety: {word!r} is not known to this provider; expected one of {choices}")


def reply_of(body: Any, model: str) -> Reply:
    """What a GenerateContentResponse says. Raises Fault where it is none at all."""
    if not isinstance(body, Mapping) or not {"candidates", "promptFeedback", "usageMetadata"} & body.keys():
        raise Fault("server", "the provider answered with something that is no answer of Gemini's")
    candidate = _first(body.get("candidates"))
    reason = str(candidate.get("finishReason") or _mapping(body.get("promptFeedback")).get("blockReason") or "")
    parts = _mapping(candidate.get("content")).get("parts")
    text = "".join(
        str(part.get("text") or "") for part in _list(parts) if isinstance(part, Mapping) and not part.get("thought")
    )
    return Reply(
        text=text,
        finish=finish_of(reason, text, blocked=not candidate and bool(reason)),
        usage=_usage(_mapping(body.get("usageMetadata"))),
        model=str(body.get("modelVersion") or model),
        reason=reason,
    )


def finish_of(reason: str, text: str, *, blocked: bool) -> Finish:
    """How an answer ended. One that ends for a reason that isn't known here is not taken for a whole one."""
    if blocked or reason in BLOCKED:
        return "blocked"
    if reason == "MAX_TOKENS":
        return "length"
    return "stop" if reason == "STOP" and text.strip() else "empty"


def _usage(counts: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=_count(counts.get("promptTokenCount")),
        output_tokens=_count(counts.get("candidatesTokenCount")),
        cached_tokens=_count(counts.get("cachedContentTokenCount")),
        thinking_tokens=_count(counts.get("thoughtsTokenCount")),
    )


def _count(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any) -> Mapping[str, Any]:
    return _mapping(next(iter(_list(value)), None))
