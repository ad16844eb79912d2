"""A long life of one ModelServer: whatever makes the operator write, one step after another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from apiserver import ApiServer
from apiserver.api import Options, Target
from apiserver.resources import Body, of_kind
from faults.life import NAME


@dataclass(frozen=True)
class Step:
    """
    Something that a user, or another controller, does.

    Args:
        name: what it is.
        act: does it, in a namespace.
    """

    name: str
    act: Callable[[ApiServer, str], object]


def _spec(name: str, **changes: object) -> Step:
    patch: Body = {"spec": changes}
    return Step(name, lambda server, place: server.edit("ModelServer", place, NAME, patch))


def _child(name: str, kind: str, patch: Body) -> Step:
    return Step(name, lambda server, place: server.edit(kind, place, NAME, patch))


def _deleted(kind: str) -> Step:
    return Step(f"{kind} deleted", lambda server, place: server.delete(kind, place, NAME))


def _settings_deleted(server: ApiServer, namespace: str) -> None:
    (settings,) = server.objects("ConfigMap", namespace)
    server.delete("ConfigMap", namespace, settings["metadata"]["name"])


def _made(server: ApiServer, namespace: str) -> None:
    server.create(
        {
            "apiVersion": "modelserver.dev/v1alpha1",
            "kind": "ModelServer",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {
                "model": {
                    "version": "1.0.0",
                    "source": {"bundled": {"path": "/models/breast-cancer"}},
                },
                "autoscaling": _AUTOSCALING,
                "disruptionBudget": {"policy": "Default", "maxUnavailable": 1},
                "networkPolicy": {"policy": "Restricted"},
                "monitoring": {"policy": "Always"},
            },
        }
    )


def _scaled(server: ApiServer, namespace: str) -> None:
    target = Target(of_kind("Deployment"), namespace, NAME, "scale")
    scale = {"metadata": {}, "spec": {"replicas": 4}}
    server.api.rescale(target, scale, Options(manager="kube-controller-manager"))


_AUTOSCALING: Final = {
    "minReplicas": 2,
    "maxReplicas": 5,
    "targetCPUUtilizationPercentage": 70,
}
_PORT: Final = {"name": "http", "port": 81, "targetPort": "http"}

STEPS: Final = (
    Step("made with all eight children", _made),
    Step("scaled by the autoscaler", _scaled),
    _spec("count from the autoscaler to nobody", autoscaling=None),
    _spec("count from nobody to the spec", replicas=3),
    _spec("count from the spec to the autoscaler", replicas=None, autoscaling=_AUTOSCALING),
    _spec("count from the autoscaler to the spec", replicas=2, autoscaling=None),
    _spec("other settings", model={"version": "2.0.0"}, server={"logLevel": "DEBUG"}),
    _spec("suspended", suspend=True),
    _spec("resumed", suspend=None),
    _spec("suspended for an autoscaler", suspend=True, replicas=None, autoscaling=_AUTOSCALING),
    _spec("resumed under the autoscaler", suspend=None),
    _spec(
        "sections removed",
        replicas=3,
        autoscaling=None,
        disruptionBudget={"policy": "None", "maxUnavailable": None},
        networkPolicy={"policy": "None"},
        monitoring={"policy": "Never"},
    ),
    _child("Service changed", "Service", {"spec": {"ports": [_PORT]}}),
    _deleted("Service"),
    _deleted("ServiceAccount"),
    Step("ConfigMap deleted", _settings_deleted),
    _deleted("Deployment"),
    _spec("count from the spec to nobody", replicas=None),
    _spec(
        "sections back, settings back",
        model={"version": "1.0.0"},
        server=None,
        disruptionBudget={"policy": "Default", "maxUnavailable": 1},
        networkPolicy={"policy": "Restricted"},
        monitoring={"policy": "Always"},
    ),
)
