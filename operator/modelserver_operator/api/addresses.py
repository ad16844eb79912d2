"""Ranges of IP addresses, as the API server's `isCIDR` understands them."""

import ipaddress

from modelserver_operator.api.wire import Rule

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network(text: str) -> Network | None:
    """Read `10.0.0.0/8`; None for what is no address with a prefix length."""
    _, _, length = text.partition("/")
    try:
        return ipaddress.ip_network(text, strict=False) if length.isdecimal() else None
    except ValueError:
        return None


IS_RANGE = Rule(
    cel="isCIDR(self)",
    holds=lambda text: network(text) is not None,
    message="must be a range of addresses such as 10.0.0.0/8 or 2001:db8::/32",
)
