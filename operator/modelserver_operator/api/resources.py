"""What each pod asks for and may use at most, refused where no node or API server would take it."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from modelserver_operator.api.quantity import Quantity, amount
from modelserver_operator.api.wire import Rule, Wire

_SHARED: Final = ("cpu", "memory", "ephemeral-storage")


def _named_as_kubernetes_does(amounts: dict[str, str]) -> bool:
    return all(name in _SHARED or name.startswith("hugepages-") or "/" in name for name in amounts)


def _requests_fit_limits(resources: "Resources") -> bool:
    limits = resources.limits or {}
    return all(
        name not in limits or amount(wanted) <= amount(limits[name])
        for name, wanted in (resources.requests or {}).items()
    )


def _devices_are_limited_to_the_request(resources: "Resources") -> bool:
    limits = resources.limits or {}
    return all(
        name in _SHARED or limits.get(name) == wanted
        for name, wanted in (resources.requests or {}).items()
    )


ResourceList = Annotated[
    dict[str, Quantity],
    Field(max_length=16),
    Rule(
        cel="self.all(k, k in ['cpu', 'memory', 'ephemeral-storage']"
        " || k.startsWith('hugepages-') || k.contains('/'))",
        holds=_named_as_kubernetes_does,
        message="resources are named cpu, memory, ephemeral-storage, hugepages-<size>, or as a"
        " device plugin names them, such as nvidia.com/gpu",
    ),
]


class Resources(Wire):
    """What each pod asks for and what it may use at most."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.requests) || !has(self.limits) || self.requests.all(k,"
            " !(k in self.limits) || !isQuantity(string(self.requests[k]))"
            " || !isQuantity(string(self.limits[k])) || quantity(string(self.requests[k]))"
            ".compareTo(quantity(string(self.limits[k]))) <= 0)",
            holds=_requests_fit_limits,
            message="no request may be larger than its limit: lower it here or raise it in limits",
            field="requests",
        ),
        Rule(
            cel="!has(self.requests) || self.requests.all(k,"
            " k in ['cpu', 'memory', 'ephemeral-storage']"
            " || has(self.limits) && k in self.limits && (!isQuantity(string(self.requests[k]))"
            " || !isQuantity(string(self.limits[k])) || quantity(string(self.requests[k]))"
            ".compareTo(quantity(string(self.limits[k]))) == 0))",
            holds=_devices_are_limited_to_the_request,
            message="devices and huge pages cannot be shared: write the same amount in limits,"
            " or write it in limits only",
            field="requests",
        ),
    )

    requests: ResourceList | None = None
    """What is kept free on the node for each pod."""

    limits: ResourceList | None = None
    """What each pod may use at most. The limit of `cpu` also sets its number of threads."""
