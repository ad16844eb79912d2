"""What a person writes: the spec of a ModelServer."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from modelserver_operator.api.autoscaling import Autoscaling
from modelserver_operator.api.disruption_budget import DisruptionBudget
from modelserver_operator.api.model import Model
from modelserver_operator.api.monitoring import Monitoring
from modelserver_operator.api.network_policy import NetworkPolicy
from modelserver_operator.api.percent import pods
from modelserver_operator.api.pod_metadata import PodMetadata
from modelserver_operator.api.reference import LocalReference
from modelserver_operator.api.resources import Resources
from modelserver_operator.api.rollout import Rollout
from modelserver_operator.api.scheduling import Scheduling
from modelserver_operator.api.server import ServerSettings
from modelserver_operator.api.service import Service
from modelserver_operator.api.service_account import ServiceAccount
from modelserver_operator.api.wire import ListType, Rule, WhenAbsent, Wire, pattern

_IMAGE: Final = (
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*)?(@sha256:[a-f0-9]{64})?"
)

Image = Annotated[
    str,
    Field(max_length=512),
    pattern(
        f"({_IMAGE})?",
        "must be an image reference such as ghcr.io/acme/runtime:1.2.0, without https:// and"
        " spaces, the repository in lowercase; or leave it out for the operator's image",
    ),
]


def _cpu_is_asked_for(spec: "ModelServerSpec") -> bool:
    asked = {**(spec.resources.limits or {}), **(spec.resources.requests or {})}
    return "cpu" in asked or spec.autoscaling is None or spec.autoscaling.cpu_target_percent is None


def _a_node_can_be_drained(spec: "ModelServerSpec") -> bool:
    kept, replicas = spec.disruption_budget.min_available, spec.guaranteed_replicas
    return not replicas or kept is None or pods(kept, of=replicas) < replicas


class ModelServerSpec(Wire):
    """What is wanted."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.replicas) || !has(self.autoscaling)",
            holds=lambda self: self.replicas is None or self.autoscaling is None,
            message="this server is autoscaled: change autoscaling.minReplicas/maxReplicas instead",
            field="replicas",
        ),
        Rule(
            cel="!has(self.autoscaling) || !has(self.autoscaling.targetCPUUtilizationPercentage)"
            " && has(self.autoscaling.metrics) && size(self.autoscaling.metrics) > 0"
            " || has(self.resources.requests) && 'cpu' in self.resources.requests"
            " || has(self.resources.limits) && 'cpu' in self.resources.limits",
            holds=_cpu_is_asked_for,
            message="CPU is measured in percent of what the pods ask for: write"
            " resources.requests.cpu, or autoscaling.metrics without a CPU target",
            field="autoscaling",
        ),
        Rule(
            cel="!has(self.disruptionBudget.minAvailable)"
            " || has(self.replicas) || has(self.autoscaling)",
            holds=lambda self: (
                self.disruption_budget.min_available is None or self.guaranteed_replicas is not None
            ),
            message="minAvailable needs a number of pods to compare with: write replicas or"
            " autoscaling, or maxUnavailable instead",
            field="disruptionBudget.minAvailable",
        ),
        # n pods, of which p percent rounded up must stay: one can go if p * n <= 100 * (n - 1).
        Rule(
            cel="!has(self.disruptionBudget.minAvailable)"
            " || !has(self.replicas) && !has(self.autoscaling)"
            " || [has(self.replicas) ? self.replicas : self.autoscaling.minReplicas].all(n, n == 0"
            " || (type(self.disruptionBudget.minAvailable) == int"
            " ? self.disruptionBudget.minAvailable < n"
            " : !self.disruptionBudget.minAvailable.matches('^[0-9]{1,3}%$')"
            " || int(self.disruptionBudget.minAvailable.replace('%', '')) * n <= 100 * (n - 1)))",
            holds=_a_node_can_be_drained,
            message="minAvailable must leave a pod that can go (fewer than replicas, or than"
            " autoscaling.minReplicas), or no node could ever be drained: lower it, or write"
            " maxUnavailable: 1",
            field="disruptionBudget.minAvailable",
        ),
    )

    model: Model
    """Which model is served, and what it must be."""

    image: Annotated[Image, WhenAbsent("the operator's at the time of the last edit")] = ""
    """Image of the runtime. A newer operator changes it with the next edit, and restarts no pod."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls the image."""

    image_pull_secrets: Annotated[
        tuple[LocalReference, ...], Field(max_length=16), ListType("map", keys=("name",))
    ] = ()
    """Secrets with the credentials of the image's registry."""

    replicas: Annotated[
        Annotated[int, Field(ge=0, le=1000)] | None, WhenAbsent("2 at the start, then not touched")
    ] = None
    """
    Pods to run.

    Leave it out where an autoscaler of your own owns the number. `kubectl scale` writes this field.
    """

    resources: Resources = Resources(
        requests={"cpu": "250m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "512Mi"}
    )
    """What each pod asks for and may use. Taken as a whole: what you leave out of it is not set."""

    autoscaling: Annotated[Autoscaling | None, WhenAbsent("no autoscaler")] = None
    """Let the number of pods follow the load, instead of `replicas`."""

    server: ServerSettings = ServerSettings()
    """How the runtime in each pod behaves. A change is rolled out like a new model."""

    service: Service = Service()
    """The address that clients use."""

    disruption_budget: DisruptionBudget = DisruptionBudget()
    """How many pods a drain of nodes may take away at one time."""

    network_policy: NetworkPolicy = NetworkPolicy()
    """Who may reach the pods, and whom they may reach."""

    monitoring: Monitoring = Monitoring()
    """How Prometheus finds the metrics."""

    rollout: Rollout = Rollout()
    """How pods are replaced after a change: new ones first, so that no request meets fewer."""

    scheduling: Scheduling = Scheduling()
    """On which nodes the pods run."""

    pod_metadata: PodMetadata = PodMetadata()
    """Labels and annotations that the pods have besides those of the operator."""

    service_account: ServiceAccount = ServiceAccount()
    """The identity of the pods: a ServiceAccount of their own, without a token for the cluster."""

    suspend: bool = False
    """Run no pods, keep everything else. The number of replicas is remembered."""

    @property
    def guaranteed_replicas(self) -> int | None:
        """The number of pods that is asked for at the least; None where others own the number."""
        if self.autoscaling is not None:
            return self.autoscaling.min_replicas
        return self.replicas
