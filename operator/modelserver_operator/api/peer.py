"""Who sends requests and who receives them: parts of networking.k8s.io/v1."""

import ipaddress
import re
from typing import Annotated, Any, Final

from modelserver_operator.api.core import LABEL_SELECTOR, CoreType, Node
from modelserver_operator.api.wire import RULES, Rule

_URL: Final = (
    "https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/"
)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read `10.0.0.0/8`; None for what is no address with a prefix length."""
    _, _, length = text.partition("/")
    try:
        return ipaddress.ip_network(text, strict=False) if length.isdecimal() else None
    except ValueError:
        return None


def _exceptions_are_inside(block: dict[str, Any]) -> bool:
    outer = _network(block["cidr"])
    inner = [_network(text) for text in block.get("except", ())]
    return outer is None or all(
        network is None
        or (network.version == outer.version and network.subnet_of(outer) and network != outer)  # type: ignore[arg-type]
        for network in inner
    )


_CIDR: Final[Node] = {
    "maxLength": 43,
    RULES: [
        Rule(
            cel="isCIDR(self)",
            holds=lambda text: _network(text) is not None,
            message="must be a range of addresses such as 10.0.0.0/8 or 2001:db8::/32",
        )
    ],
}

_PORT_NAME: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HIGHEST_PORT: Final = 65535


def _is_port(port: int | str) -> bool:
    if isinstance(port, int):
        return 1 <= port <= _HIGHEST_PORT
    return re.fullmatch(_PORT_NAME, port, re.ASCII) is not None


_LIMITS: Final = {
    "V1NetworkPolicyPeer": {
        RULES: [
            Rule(
                cel="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
                holds=lambda self: (
                    ("ipBlock" in self) != ("podSelector" in self or "namespaceSelector" in self)
                ),
                message="write ipBlock alone, or podSelector, namespaceSelector or both",
            )
        ]
    },
    "V1IPBlock.cidr": _CIDR,
    "V1IPBlock.except[]": _CIDR,
    "V1IPBlock": {
        RULES: [
            Rule(
                cel="!has(self.except) || !isCIDR(self.cidr) || self.except.all(e, !isCIDR(e)"
                " || cidr(self.cidr).containsCIDR(cidr(e))"
                " && cidr(e).prefixLength() > cidr(self.cidr).prefixLength())",
                holds=_exceptions_are_inside,
                message="each exception must be a smaller range inside cidr",
                field="except",
            )
        ]
    },
    **LABEL_SELECTOR,
}

Peer = Annotated[dict[str, Any], CoreType("V1NetworkPolicyPeer", url=_URL, limits=_LIMITS)]

EgressRule = Annotated[
    dict[str, Any],
    CoreType(
        "V1NetworkPolicyEgressRule",
        url=_URL,
        limits={
            **_LIMITS,
            "V1NetworkPolicyPort.protocol": {"enum": ["TCP", "UDP", "SCTP"]},
            "V1NetworkPolicyPort.endPort": {"minimum": 1, "maximum": 65535},
            "V1NetworkPolicyPort.port": {
                "maxLength": 15,
                RULES: [
                    Rule(
                        cel="type(self) == int ? self >= 1 && self <= 65535"
                        f" : self.matches('^{_PORT_NAME}$')",
                        holds=_is_port,
                        message="must be a port from 1 to 65535 or the name of one, such as https",
                    )
                ],
            },
            "V1NetworkPolicyPort": {
                RULES: [
                    Rule(
                        cel="!has(self.endPort) || has(self.port) && type(self.port) == int"
                        " && self.endPort >= self.port",
                        holds=lambda self: (
                            "endPort" not in self
                            or (
                                isinstance(self.get("port"), int)
                                and self["endPort"] >= self["port"]
                            )
                        ),
                        message="a range of ports begins at the number in port and ends at endPort,"
                        " which must not be smaller",
                        field="endPort",
                    )
                ]
            },
        },
    ),
]
