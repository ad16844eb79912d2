"""How often one client may ask."""

import ipaddress
from typing import Annotated

from pydantic import Field

from modelserver_operator.api.addresses import IS_RANGE, network
from modelserver_operator.api.wire import ListType, Rule, Wire


def _begins_with_first_address(text: str) -> bool:
    range_ = network(text)
    return range_ is None or ipaddress.ip_interface(text).ip == range_.network_address


def _is_not_everybody(text: str) -> bool:
    range_ = network(text)
    return range_ is None or range_.prefixlen > 0


Proxies = Annotated[
    str,
    Field(max_length=43),
    IS_RANGE,
    Rule(
        cel="!isCIDR(self) || cidr(self) == cidr(self).masked()",
        holds=_begins_with_first_address,
        message="must begin with the first address of the range, as 10.0.0.0/8 does and 10.1.2.3/8"
        " does not; one address alone is 10.1.2.3/32",
    ),
    Rule(
        cel="!isCIDR(self) || cidr(self).prefixLength() > 0",
        holds=_is_not_everybody,
        message="must not be everybody, or each client could say that it is another: write the"
        " addresses of your proxies, such as 10.0.0.0/8",
    ),
]


class RateLimit(Wire):
    """
    How often one client may ask; more is answered 429, with the time to wait.

    A client is its token, where `auth` asks for one, or else its address.
    """

    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)]
    """
    Requests of one client in a minute, all at once or spread.

    Each pod counts what it gets itself: behind three pods a client may ask up to three times that.
    """

    trusted_proxies: Annotated[tuple[Proxies, ...], Field(max_length=32), ListType("atomic")] = ()
    """
    Addresses of proxies and load balancers whose X-Forwarded-For says who the client is.

    Without them all clients behind one proxy are one client.
    """
