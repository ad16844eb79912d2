"""What was asked of the server, and what it answered."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from apiserver.faults import WRITES, Call


@dataclass
class Record:
    """
    One request.

    Attributes:
        status: the HTTP status; 0: none was sent.
        at: monotonic seconds at which it came in.
        changed: whether it moved the global resourceVersion.
        fault: the action of the rule that struck it.
    """

    call: Call
    at: float
    status: int = 0
    changed: bool = False
    fault: str = ""


@dataclass
class Journal:
    """All requests in the order in which they came in."""

    records: list[Record] = field(default_factory=list)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def clear(self) -> None:
        """Forget everything so far."""
        self.records.clear()

    def writes(self, kind: str | None = None, *, exclude_leases: bool = True) -> list[Record]:
        """The requests that meant to write, whether or not they changed anything."""
        return [
            record
            for record in self.records
            if record.call.verb in WRITES
            and kind in (None, record.call.kind)
            and not (exclude_leases and kind is None and record.call.kind == "Lease")
        ]
