"""Parts of Kubernetes' own types, passed on as they were written."""

from typing import Any

MetricSpec = dict[str, Any]
Behavior = dict[str, Any]
Affinity = dict[str, Any]
Toleration = dict[str, Any]
TopologySpreadConstraint = dict[str, Any]
Peer = dict[str, Any]
EgressRule = dict[str, Any]
