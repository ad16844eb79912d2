"""Who may reach the pods, and whom they may reach."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelserver_operator.api.peer import EgressRule, Peer
from modelserver_operator.api.wire import ListType, Rule, WhenAbsent, Wire


class NetworkPolicy(Wire):
    """Who may reach the pods, and whom they may reach."""

    rules: ClassVar = (
        Rule(
            cel="self.policy != 'None' || !has(self.from) && !has(self.egress)",
            holds=lambda self: self.policy != "None" or self.from_ is self.egress is None,
            message="with policy None everything is let through: take from and egress out, or write"
            " policy: Restricted",
            field="policy",
        ),
        Rule(
            cel="!has(self.from) || size(self.from) > 0",
            holds=lambda self: self.from_ is None or len(self.from_) > 0,
            message="name who may send requests, or take from out to let in anyone",
            field="from",
        ),
    )

    policy: Literal["Restricted", "None"] = "Restricted"
    """
    `Restricted`: in comes what this section lets in, out goes what the model's source needs.

    `None`: no NetworkPolicy.
    """

    from_: Annotated[
        Annotated[tuple[Peer, ...], Field(max_length=32)] | None,
        Field(alias="from"),
        ListType("atomic"),
        WhenAbsent("anyone, on the port of the API"),
    ] = None
    """Who may send requests, as in networking.k8s.io/v1. Prometheus is let in besides."""

    egress: Annotated[
        Annotated[tuple[EgressRule, ...], Field(max_length=32)] | None,
        ListType("atomic"),
        WhenAbsent(
            "nothing; with a source of http or s3 DNS, and TCP to anywhere but link-local addresses"
        ),
    ] = None
    """What the pods may reach, as in networking.k8s.io/v1."""
