"""How much one process holds at a time, and how often one client may ask."""

import ipaddress
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence

from modelserver_runtime.errors import Overloaded, RateLimited

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_CLIENTS_REMEMBERED = 10_000


class HeldBytes:
    """
    Request bodies in memory.

    Args:
        limit: bytes that all requests together may hold.
        on_refusal: called for each request that is refused.
    """

    def __init__(self, limit: int, on_refusal: Callable[[], None]) -> None:
        self._limit = limit
        self._on_refusal = on_refusal
        self.held = 0

    def hold(self, count: int) -> None:
        """
        Take *count* more.

        Raises:
            Overloaded: there is no room; nothing was taken.
        """
        if not self.has_room(count):
            self._on_refusal()
            raise Overloaded("too many bytes are being received; try again")
        self.held += count

    def has_room(self, count: int) -> bool:
        """Whether *count* more could be held."""
        return self.held + count <= self._limit

    def release(self, count: int) -> None:
        """Give back what `hold` took."""
        self.held -= count


class Slots:
    """
    Predictions being worked on.

    A request takes its slot once its body is here: clients that send slowly hold none, or a few
    hundred of them would keep everybody out.

    Args:
        limit: how many there may be at one time.
        on_refusal: called for each request that is refused.
    """

    __slots__ = ("_limit", "_on_refusal", "taken")

    def __init__(self, limit: int, on_refusal: Callable[[], None]) -> None:
        self._limit = limit
        self._on_refusal = on_refusal
        self.taken = 0

    def take(self) -> None:
        """
        Take one; whoever took it counts `taken` down.

        Raises:
            Overloaded: none is left.
        """
        if not self.has_one_left():
            self._on_refusal()
            raise Overloaded("too many requests are being answered; try again")
        self.taken += 1

    def has_one_left(self) -> bool:
        """Whether one could be taken."""
        return self.taken < self._limit


class RateLimit:
    """
    A bucket of requests for each client, refilled steadily.

    Args:
        per_minute: requests a client may make in a minute; also the size of a burst.
        clock: seconds, growing.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def admit(self, client: bytes) -> None:
        """
        Count one request of *client*.

        Raises:
            RateLimited: with the seconds after which it may ask again.
        """
        now = self._clock()
        left, seen = self._buckets.pop(client, (self._size, now))
        left = min(self._size, left + (now - seen) * self._per_second)
        admitted = left >= 1
        self._buckets[client] = (left - 1 if admitted else left, now)
        if len(self._buckets) > MAX_CLIENTS_REMEMBERED:
            self._buckets.popitem(last=False)
        if not admitted:
            raise RateLimited(math.ceil((1 - left) / self._per_second))


def client_address(peer: str, forwarded_for: bytes, trusted: Sequence[Network]) -> str:
    """
    Whose request this is.

    X-Forwarded-For is believed from right to left for as long as the one who wrote the entry is a
    trusted proxy: anybody can send the header. What is no address is believed of nobody.
    """
    address = peer
    for entry in reversed(forwarded_for.decode("latin-1").split(",")):
        written = _written(entry)
        if written is None or not _is_trusted(address, trusted):
            break
        address = written
    return address


def client_of(address: str) -> bytes:
    """
    Whom the requests from *address* are counted for.

    With IPv6 that is the network of 64 bits: one machine may use all its addresses in turn.
    """
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.packed[:8]
    return address.encode()


_WITH_PORT = re.compile(r"\[(.*)\](?::\d+)?|([^:]*):\d+")


def _written(entry: str) -> str | None:
    """Read an entry, with the port that some proxies add."""
    found = _WITH_PORT.fullmatch(entry.strip())
    parsed = _parsed((found[1] or found[2] or "") if found else entry.strip())
    return None if parsed is None else str(parsed)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; IPv4 inside IPv6, as a listener for both shows it, is IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
