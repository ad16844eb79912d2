"""Stops an operator at a chosen write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from apiserver import ApiServer, Reset
from apiserver.faults import WRITES, Call

Moment = Literal["before", "after-commit", "after-answer"]
MOMENTS: Final[tuple[Moment, ...]] = ("before", "after-commit", "after-answer")


@dataclass(frozen=True)
class Stop:
    """
    Where to stop it.

    Args:
        number: of the write since the trap was set, from 1; those that were stopped count.
        moment: before it takes effect, after that but with no answer, or after the answer.
    """

    number: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.number}-{self.moment}"


class Trap:
    """
    Counts the writes in one namespace and strikes at some of them.

    Args:
        server: where they arrive.
        namespace: which ones; a Lease in it would not count.
        strike: stops the operator. From then on none of its writes is served, not even one that
            was under way, until the trap is opened for its successor.

    Attributes:
        calls: the writes that have come in since the trap was set.
        committed: the numbers of those that were not refused.
        struck: those of them it struck at.
    """

    def __init__(self, server: ApiServer, namespace: str, strike: Callable[[], None]) -> None:
        self._namespace = namespace
        self._strike = strike
        self._is_closed = False
        self.set(())
        self._hooks = [
            server.before(self._is_meant, self._before),
            server.after_commit(self._is_meant, self._commit),
            server.after_ack(lambda call: self._is_due(call, "after-answer"), self._answered),
        ]

    def set(self, stops: Sequence[Stop]) -> None:
        """Strike at *stops*, one after the other."""
        self.calls: list[Call] = []
        self.committed: set[int] = set()
        self.struck: list[Call] = []
        self._stops = [*stops]

    @property
    def is_set(self) -> bool:
        """Whether it has yet to strike."""
        return bool(self._stops)

    def open(self) -> None:
        """Let the successor write."""
        self._is_closed = False

    def remove(self) -> None:
        """Leave all further writes alone."""
        for hook in self._hooks:
            hook.remove()

    def _is_meant(self, call: Call) -> bool:
        return call.namespace == self._namespace and call.verb in WRITES and call.kind != "Lease"

    def _is_due(self, call: Call, moment: Moment) -> bool:
        stop = self._stops[0] if self._stops else None
        return self._is_meant(call) and stop == Stop(len(self.calls), moment)

    def _before(self, call: Call) -> None:
        if self.calls and self._is_due(self.calls[-1], "after-answer"):
            self._hit(self.calls[-1])  # it has read the answer, and was quicker than the strike
        if self._is_closed:
            raise Reset
        self.calls.append(call)
        if self._is_due(call, "before"):
            self._hit(call)
            raise Reset

    def _commit(self, call: Call) -> None:
        self.committed.add(len(self.calls))
        if self._is_due(call, "after-commit"):
            self._hit(call)
            raise Reset

    def _answered(self, call: Call) -> None:
        self._hit(call)

    def _hit(self, call: Call) -> None:
        self._stops.pop(0)
        self._is_closed = True
        self.struck.append(call)
        self._strike()
