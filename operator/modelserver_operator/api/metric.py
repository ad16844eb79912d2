"""What an autoscaler measures, and how fast it follows: parts of autoscaling/v2."""

from typing import Annotated, Any, Final

from modelserver_operator.api.core import (
    LABEL_SELECTOR,
    POSITIVE_QUANTITY,
    QUANTITY,
    CoreType,
    Node,
)
from modelserver_operator.api.wire import RULES, Rule

_URL: Final = (
    "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/"
    "horizontal-pod-autoscaler-v2/"
)

_SOURCES: Final = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}
_VALUES: Final = {
    "Utilization": "averageUtilization",
    "Value": "value",
    "AverageValue": "averageValue",
}


def _names_its_field(words: dict[str, str], message: str) -> Rule:
    """Ask for exactly the field that `type` names."""
    return Rule(
        cel=" && ".join(
            f"(self.type == '{word}') == has(self.{name})" for word, name in words.items()
        ),
        holds=lambda self: {words[self["type"]]} == set(words.values()) & self.keys(),
        message=message,
    )


def _target_is(kind: str, *, wanted: bool, message: str) -> Node:
    rule = Rule(
        cel=f"self.target.type {'==' if wanted else '!='} '{kind}'",
        holds=lambda self: (self["target"]["type"] == kind) == wanted,
        message=message,
        field="target",
    )
    return {RULES: [rule]}


_OF_A_RESOURCE: Final = _target_is(
    "Value", wanted=False, message="a resource is measured by Utilization or AverageValue"
)
_OF_ANYTHING: Final = _target_is(
    "Utilization",
    wanted=False,
    message="write type Value or AverageValue: nothing says what 100 percent would be",
)

MetricSpec = Annotated[
    dict[str, Any],
    CoreType(
        "V2MetricSpec",
        url=_URL,
        limits={
            "V2MetricSpec.type": {"enum": [*_SOURCES]},
            "V2MetricSpec": {
                RULES: [
                    _names_its_field(
                        _SOURCES,
                        "write the one field that type names, such as resource for Resource",
                    )
                ]
            },
            "V2MetricTarget.type": {"enum": [*_VALUES]},
            "V2MetricTarget": {
                RULES: [
                    _names_its_field(
                        _VALUES,
                        "write the one field that type names: averageUtilization for Utilization,"
                        " value for Value, averageValue for AverageValue",
                    )
                ]
            },
            "V2MetricTarget.averageUtilization": {"minimum": 1, "maximum": 1_000_000},
            "V2MetricTarget.averageValue": POSITIVE_QUANTITY,
            "V2MetricTarget.value": POSITIVE_QUANTITY,
            "V2ResourceMetricSource": _OF_A_RESOURCE,
            "V2ContainerResourceMetricSource": _OF_A_RESOURCE,
            "V2PodsMetricSource": _target_is(
                "AverageValue",
                wanted=True,
                message="a metric of the pods is an average over them: write type AverageValue",
            ),
            "V2ObjectMetricSource": _OF_ANYTHING,
            "V2ExternalMetricSource": _OF_ANYTHING,
            **LABEL_SELECTOR,
        },
    ),
]

_SECONDS: Final[Node] = {"minimum": 0, "maximum": 3600}

Behavior = Annotated[
    dict[str, Any],
    CoreType(
        "V2HorizontalPodAutoscalerBehavior",
        url=_URL,
        limits={
            "V2HPAScalingPolicy.type": {"enum": ["Pods", "Percent"]},
            "V2HPAScalingPolicy.value": {"minimum": 1, "maximum": 1_000_000},
            "V2HPAScalingPolicy.periodSeconds": {"minimum": 1, "maximum": 1800},
            "V2HPAScalingRules.selectPolicy": {"enum": ["Max", "Min", "Disabled"]},
            "V2HPAScalingRules.stabilizationWindowSeconds": _SECONDS,
            "V2HPAScalingRules.tolerance": QUANTITY,
        },
    ),
]
