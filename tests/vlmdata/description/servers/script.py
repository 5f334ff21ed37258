"""The faults that a server answers with, by number, by what is asked, or by chance that is the same in every run."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

Act = Literal[
    "answer",
    "rate_limit",  # 429, with nothing to say how long to wait
    "rate_limit_after",  # 429, with a Retry-After header
    "rate_limit_detail",  # 429, with the provider's own word for it (Gemini: RetryInfo; OpenAI: retry-after-ms)
    "daily_quota",
    "server_error",  # 500
    "unavailable",  # 503
    "gateway_timeout",  # 504
    "reset",  # in the middle of a body that was paid for
    "slow",  # never answered, though paid for
    "not_json",  # 200, with a page of a proxy
    "odd_json",  # 200, with JSON that is no answer
    "blocked_prompt",
    "blocked_answer",
    "cut",  # at the limit of tokens
    "empty",
    "truncated_answer",  # the model's own JSON breaks off, though it says that it ended
    "other_answer",  # the model's own JSON follows another schema
    "bad_key",  # 400 or 401, as the provider says it
    "echoed_key",  # 401, with the key in its words
    "forbidden",  # 403
    "no_model",  # 404
    "bad_image",  # 400
    "elsewhere",  # a redirect to another place
]
PAID: frozenset[Act] = frozenset(
    {"answer", "reset", "slow", "blocked_answer", "cut", "empty", "truncated_answer", "other_answer"}
)
"""What the provider puts on the bill: all that its model has worked on."""

LOST: frozenset[Act] = frozenset({"reset", "slow"})
"""What is paid for and never arrives."""

PASSING: tuple[Act, ...] = (
    "rate_limit",
    "rate_limit_after",
    "rate_limit_detail",
    "server_error",
    "unavailable",
    "reset",
    "not_json",
)
"""Faults that another try gets over."""


class Script:
    """What to do with each request.

    `by_number` is by the request's number, from 1. `by_text` is by a text in the prompt: one act for each time that it
    is asked, and answers after those. `chance` makes a share of all other requests fail, with the same faults for the
    same prompt in every run, whatever the order.
    """

    def __init__(
        self,
        *,
        by_number: Mapping[int, Act] | None = None,
        by_text: Mapping[str, Sequence[Act]] | None = None,
        chance: float = 0.0,
        faults: Sequence[Act] = PASSING,
        seed: int = 0,
    ) -> None:
        self._by_number = dict(by_number or {})
        self._by_text = {text: list(acts) for text, acts in (by_text or {}).items()}
        self._chance, self._faults, self._seed = chance, list(faults), seed
        self._times: Counter[bytes] = Counter()
        self._lock = threading.Lock()
        self.played: dict[Act, int] = defaultdict(int)

    def act(self, number: int, prompt: str) -> Act:
        """What to do with a request."""
        with self._lock:
            act = self._chosen(number, prompt)
            self.played[act] += 1
            return act

    def _chosen(self, number: int, prompt: str) -> Act:
        if number in self._by_number:
            return self._by_number[number]
        for text, acts in self._by_text.items():
            if text in prompt and acts:
                return acts.pop(0)
        if not self._chance:
            return "answer"
        name = hashlib.sha256(prompt.encode()).digest()[:8]
        self._times[name] += 1
        chance = random.Random(f"{self._seed} {name.hex()} {self._times[name]}")
        return chance.choice(self._faults) if chance.random() < self._chance else "answer"


def burst(first: int, last: int, act: Act) -> dict[int, Act]:
    """The same act for the requests of a run of numbers."""
    return dict.fromkeys(range(first, last + 1), act)
