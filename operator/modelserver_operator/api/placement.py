"""Which nodes and which neighbours pods get: parts of core/v1."""

from typing import Annotated, Any, Final

from modelserver_operator.api.core import LABEL_SELECTOR, WHOLE, CoreType, Node
from modelserver_operator.api.wire import RULES, Rule

_URL: Final = (
    "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#scheduling"
)
_WEIGHT: Final[Node] = {"minimum": 1, "maximum": 100}
_TERMS: Final[Node] = {"minItems": 1, "maxItems": 16}
_TOPOLOGY: Final[Node] = {"minLength": 1, "maxLength": 317}

Affinity = Annotated[
    dict[str, Any],
    CoreType(
        "V1Affinity",
        url=_URL,
        limits={
            "V1NodeSelector": WHOLE,
            "V1NodeSelectorTerm": WHOLE,
            "V1NodeSelector.nodeSelectorTerms": _TERMS,
            "V1NodeSelectorRequirement.operator": {
                "enum": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
            },
            "V1NodeSelectorRequirement.values": {"maxItems": 64},
            "V1NodeSelectorRequirement": {
                RULES: [
                    Rule(
                        cel="self.operator in ['Exists', 'DoesNotExist']"
                        " ? !has(self.values) || size(self.values) == 0"
                        " : has(self.values) && size(self.values) > 0"
                        " && (self.operator in ['In', 'NotIn'] || size(self.values) == 1)",
                        holds=lambda self: _values_fit(self["operator"], self.get("values", ())),
                        message="In and NotIn need values, Gt and Lt exactly one, Exists and"
                        " DoesNotExist take none",
                        field="values",
                    )
                ]
            },
            "V1PreferredSchedulingTerm.weight": _WEIGHT,
            "V1WeightedPodAffinityTerm.weight": _WEIGHT,
            "V1PodAffinityTerm.topologyKey": _TOPOLOGY,
            **LABEL_SELECTOR,
        },
    ),
]


def _values_fit(operator: str, values: list[str]) -> bool:
    if operator in ("Exists", "DoesNotExist"):
        return not values
    return len(values) == 1 or (operator in ("In", "NotIn") and bool(values))


Toleration = Annotated[
    dict[str, Any],
    CoreType(
        "V1Toleration",
        url=_URL,
        limits={
            "V1Toleration.effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
            "V1Toleration.operator": {"enum": ["Exists", "Equal", "Gt", "Lt"]},
            "V1Toleration.value": {"maxLength": 63},
            "V1Toleration": {
                RULES: [
                    Rule(
                        cel="has(self.key) && self.key != ''"
                        " || has(self.operator) && self.operator == 'Exists'",
                        holds=lambda self: (
                            bool(self.get("key")) or self.get("operator") == "Exists"
                        ),
                        message="name the taint's key, or write operator: Exists to tolerate every"
                        " taint",
                    ),
                    Rule(
                        cel="!has(self.operator) || self.operator != 'Exists'"
                        " || !has(self.value) || self.value == ''",
                        holds=lambda self: (
                            self.get("operator") != "Exists" or not self.get("value")
                        ),
                        message="Exists fits any value: take value out, or write operator: Equal",
                        field="value",
                    ),
                    Rule(
                        cel="!has(self.tolerationSeconds)"
                        " || has(self.effect) && self.effect == 'NoExecute'",
                        holds=lambda self: (
                            "tolerationSeconds" not in self or self.get("effect") == "NoExecute"
                        ),
                        message="only a NoExecute taint is tolerated for a time: write effect:"
                        " NoExecute or take tolerationSeconds out",
                        field="tolerationSeconds",
                    ),
                ]
            },
        },
    ),
]

_POLICY: Final[Node] = {"enum": ["Honor", "Ignore"]}

TopologySpreadConstraint = Annotated[
    dict[str, Any],
    CoreType(
        "V1TopologySpreadConstraint",
        url=_URL,
        limits={
            "V1TopologySpreadConstraint.whenUnsatisfiable": {
                "enum": ["DoNotSchedule", "ScheduleAnyway"]
            },
            "V1TopologySpreadConstraint.maxSkew": {"minimum": 1, "maximum": 1000},
            "V1TopologySpreadConstraint.minDomains": {"minimum": 1, "maximum": 1000},
            "V1TopologySpreadConstraint.nodeAffinityPolicy": _POLICY,
            "V1TopologySpreadConstraint.nodeTaintsPolicy": _POLICY,
            "V1TopologySpreadConstraint.topologyKey": _TOPOLOGY,
            "V1TopologySpreadConstraint": {
                RULES: [
                    Rule(
                        cel="!has(self.minDomains) || self.whenUnsatisfiable == 'DoNotSchedule'",
                        holds=lambda self: (
                            "minDomains" not in self or self["whenUnsatisfiable"] == "DoNotSchedule"
                        ),
                        message="minDomains counts only with whenUnsatisfiable: DoNotSchedule",
                        field="minDomains",
                    )
                ]
            },
            **LABEL_SELECTOR,
        },
    ),
]
