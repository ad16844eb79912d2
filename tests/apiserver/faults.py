"""Rules by which the server misbehaves on command."""

import asyncio
import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

Action = Literal[
    "status",
    "hang",
    "reset-before",
    "reset-after-commit",
    "hang-after-commit",
    "truncated",
    "slow",
    "watch-end",
    "watch-reset",
    "watch-error",
    "watch-garbage",
    "watch-eof",
    "watch-silence",
    "watch-dead",
]
"""
status              answers `code` without acting
hang                never answers, does not act
reset-before        closes the connection without acting
reset-after-commit  acts, then closes the connection
hang-after-commit   acts, never answers
truncated           acts, sends half of the body, closes the connection
slow                waits `seconds`, then acts as usual
watch-end           an accepted watch ends at once, in good order
watch-reset         an accepted watch is closed at once, without an end
watch-error         an accepted watch carries an ERROR event with `code`, then ends
watch-garbage       an accepted watch carries a line that is no JSON, then ends
watch-eof           an accepted watch ends in the middle of a line
watch-silence       an accepted watch says nothing; what it missed follows when the rule is lifted
watch-dead          an accepted watch says nothing, ever
"""


@dataclass(frozen=True)
class Call:
    """
    A request as rules, hooks and the log see it.

    Attributes:
        verb: get, list, watch, create, update, patch, apply or delete; `get` with kind "" is
            discovery.
        user: the bearer token: whoever sends `alice` is alice.
    """

    verb: str
    kind: str
    namespace: str | None
    name: str
    subresource: str
    user_agent: str = ""
    user: str = ""


@dataclass
class Rule:
    """
    One way of misbehaving, for the calls it matches.

    Attributes:
        verbs, kinds, subresources: None matches all.
        namespaces, names: shell patterns; a call without a namespace (or name) does not match.
        users: None matches all.
        skip: let that many matching calls pass first.
        times: how often it strikes; None is always.
        probability: of striking a matching call.
        hits: how often it has struck.
        lifted: set once the rule is no longer in force.
    """

    action: Action
    verbs: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    subresources: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None
    namespaces: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    code: int = 500
    message: str = "injected by the test"
    retry_after: int | None = None
    seconds: float = 1.0
    hits: int = 0
    lifted: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def is_in_stream(self) -> bool:
        """Whether it strikes watches after they were accepted."""
        return self.action.startswith("watch-")

    def matches(self, call: Call) -> bool:
        """Tell whether *call* is one of those meant."""
        if self.is_in_stream and call.verb != "watch":
            return False
        plain = (
            (self.verbs, call.verb),
            (self.kinds, call.kind),
            (self.subresources, call.subresource),
            (self.users, call.user),
        )
        if any(wanted is not None and value not in wanted for wanted, value in plain):
            return False
        patterns = ((self.namespaces, call.namespace or ""), (self.names, call.name))
        return all(
            wanted is None or any(value and _like(value, pattern) for pattern in wanted)
            for wanted, value in patterns
        )


def _like(value: str, pattern: str) -> bool:
    return re.match(fnmatch.translate(pattern), value) is not None


@dataclass
class Faults:
    """The rules in force; the first that matches strikes."""

    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311  - faults, no secrets
    rules: list[Rule] = field(default_factory=list)

    def strike(self, call: Call, *, in_stream: bool = False) -> Rule | None:
        """Choose the rule that strikes *call*, and count it."""
        for rule in self._due(call, in_stream=in_stream):
            if rule.skip > 0:
                rule.skip -= 1
            elif rule.probability >= 1.0 or self.random.random() < rule.probability:
                rule.hits += 1
                return rule
        return None

    def _due(self, call: Call, *, in_stream: bool) -> Iterator[Rule]:
        for rule in self.rules:
            spent = rule.times is not None and rule.hits >= rule.times
            if rule.is_in_stream is in_stream and not spent and rule.matches(call):
                yield rule


WRITES: Final = ("create", "update", "patch", "apply", "delete")
