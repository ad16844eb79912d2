"""What a pod is made of: time to start and to end, no rights, and a place to run."""

from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator import labels
from modelserver_operator.children.configmap import desired_config_map
from modelserver_operator.children.deployment import desired_deployment
from modelserver_operator.children.pod import grace_seconds, pod_template

DIGEST = "sha256:" + "0" * 64


def pod(**spec: Any) -> dict[str, Any]:
    """Build the pod's spec."""
    spec = pod_template(make.parsed(**spec), "localhost/runtime:1")["spec"]
    return spec  # noqa: RET504 - a name for what it is


def runtime(**spec: Any) -> dict[str, Any]:
    """Build the one container."""
    (container,) = pod(**spec)["containers"]
    return container


def settings(**spec: Any) -> dict[str, str]:
    """Build the settings that the container reads."""
    return desired_config_map(make.parsed(**spec), make.SURROUNDINGS)["data"]


@pytest.mark.parametrize(
    ("server", "want"),
    [
        pytest.param({}, 5 + 8 + 30 + 5, id="pause, drain, the longest request, the exit"),
        pytest.param({"drainSeconds": 1}, 5 + 1 + 30 + 5, id="a shorter drain"),
        pytest.param({"requestTimeoutSeconds": 600}, 5 + 8 + 600 + 5, id="slow requests"),
    ],
)
def test_a_pod_has_time_for_all_it_has_to_do_before_it_is_killed(server, want):
    """The kubelet counts from the start of preStop."""
    wanted = {"server": server}
    assert pod(**wanted)["terminationGracePeriodSeconds"] == want
    pause = runtime(**wanted)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(settings(**wanted)["MODELSERVER_DRAIN_SECONDS"])
    request = int(settings(**wanted)["MODELSERVER_REQUEST_TIMEOUT_SECONDS"])
    assert pause + drain + request + 5 == grace_seconds(make.parsed(**wanted)) == want


@pytest.mark.parametrize(
    ("seconds", "probes"),
    [
        pytest.param(300, 150, id="two seconds a probe"),
        pytest.param(7, 4, id="rounded up: the kubelet gives up no earlier than the runtime"),
        pytest.param(1, 1, id="one at least"),
    ],
)
def test_a_model_has_its_whole_time_to_load(seconds, probes):
    """Then the pod is started again."""
    probe = runtime(server={"loadTimeoutSeconds": seconds})["startupProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"]) == (2, probes)


def test_the_other_probes_do_not_depend_on_the_spec():
    """Ready within 10 s again, restarted after a minute without a sign of life."""
    container = runtime()
    ready, live = container["readinessProbe"], container["livenessProbe"]
    names = ("periodSeconds", "timeoutSeconds", "failureThreshold")
    assert [ready[name] for name in names] == [5, 3, 2]
    assert [live[name] for name in names] == [10, 5, 6]
    assert (ready["httpGet"]["path"], live["httpGet"]["path"]) == ("/ready", "/health")


@pytest.mark.parametrize(
    ("server", "ports", "probed"),
    [
        pytest.param({}, {"http": 8000}, "http", id="one port for all"),
        pytest.param(
            {"metricsPort": 9090},
            {"http": 8000, "metrics": 9090},
            "metrics",
            id="probes go where the metrics are",
        ),
    ],
)
def test_ports(server, ports, probed):
    """By name, so that a probe says what it means."""
    container = runtime(server=server)
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == ports
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[name]["httpGet"]["port"] == probed
    assert settings(server=server).get("MODELSERVER_METRICS_PORT") == (
        str(ports["metrics"]) if "metrics" in ports else None
    )


@pytest.mark.parametrize(
    ("server", "want"),
    [
        pytest.param({}, "HTTP", id="plain"),
        pytest.param({"tls": {"secret": {"name": "web-tls"}}}, "HTTPS", id="TLS"),
        pytest.param(
            {"tls": {"secret": {"name": "web-tls"}}, "metricsPort": 9090},
            "HTTPS",
            id="a port for the metrics speaks it too",
        ),
    ],
)
def test_probes_speak_what_the_runtime_speaks(server, want):
    """The kubelet takes any certificate."""
    container = runtime(server=server)
    names = ("startupProbe", "readinessProbe", "livenessProbe")
    assert {container[name]["httpGet"]["scheme"] for name in names} == {want}


def test_pods_have_no_way_into_the_api_server():
    """Neither the account nor the pod asks for a token."""
    assert make.children()["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["serviceAccountName"] == "web"


FETCHED = {"model": {"source": {"http": {"url": "http://a/m.tar"}}, "digest": DIGEST}}


@pytest.mark.parametrize("spec", [*make.SPECS.values(), FETCHED], ids=[*make.SPECS, "fetched"])
def test_pods_keep_to_the_restricted_standard(spec):
    """Whatever the spec says."""
    body = pod(**spec)
    assert body["securityContext"]["runAsNonRoot"] is True
    assert body["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in body["containers"] + body.get("initContainers", []):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    allowed = {"emptyDir", "configMap", "persistentVolumeClaim", "secret"}
    assert all(volume.keys() - {"name"} <= allowed for volume in body["volumes"])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & body.keys()


@pytest.mark.parametrize(
    ("source", "path", "volume"),
    [
        pytest.param({"bundled": {"path": "/models/a"}}, "/models/a", None, id="part of the image"),
        pytest.param(
            {"configMap": {"name": "m"}}, "/model", {"configMap": {"name": "m"}}, id="a ConfigMap"
        ),
        pytest.param(
            {"persistentVolumeClaim": {"claimName": "m"}},
            "/model",
            {"persistentVolumeClaim": {"claimName": "m", "readOnly": True}},
            id="a whole volume",
        ),
        pytest.param(
            {"persistentVolumeClaim": {"claimName": "m", "path": "a/1"}},
            "/model/a/1",
            {"persistentVolumeClaim": {"claimName": "m", "readOnly": True}},
            id="a folder of a volume",
        ),
        pytest.param(
            {"image": {"reference": f"ghcr.io/a/m@{DIGEST}"}},
            "/model",
            {"image": {"reference": f"ghcr.io/a/m@{DIGEST}", "pullPolicy": "IfNotPresent"}},
            id="an image",
        ),
        pytest.param(
            {"image": {"reference": f"a@{DIGEST}", "path": "m/1"}},
            "/model/m/1",
            {"image": {"reference": f"a@{DIGEST}", "pullPolicy": "IfNotPresent"}},
            id="a folder of an image",
        ),
        pytest.param(
            {"http": {"url": "http://a/m.tar", "maxBytes": 1024}},
            "/model/artifact",
            {"emptyDir": {"sizeLimit": "66Mi"}},
            id="fetched",
        ),
    ],
)
def test_where_the_model_is(source, path, volume):
    """Mounted read-only where it does not come with the image."""
    model = {"model": {"source": source, "digest": DIGEST}}
    assert settings(**model)["MODELSERVER_MODEL_PATH"] == path
    volumes = {body.pop("name"): body for body in pod(**model)["volumes"]}
    assert volumes.get("model") == volume
    mounts = {mount["name"]: mount for mount in runtime(**model)["volumeMounts"]}
    if volume is None:
        assert "model" not in mounts
    else:
        assert mounts["model"] == {"name": "model", "mountPath": "/model", "readOnly": True}


@pytest.mark.parametrize(
    ("cpu", "threads"),
    [pytest.param("500m", "1"), pytest.param("1500m", "2"), pytest.param("4", "4")],
)
def test_numeric_libraries_get_as_many_threads_as_cores(cpu, threads):
    """Rounded up: half a core is one thread."""
    found = settings(resources={"requests": {"cpu": "100m"}, "limits": {"cpu": cpu}})
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert [found[name] for name in names] == [threads] * 3


def test_without_a_cpu_limit_the_libraries_count_for_themselves():
    """There is nothing to pin them to."""
    assert "OMP_NUM_THREADS" not in settings(resources={"limits": {}})


def test_settings_are_immutable_and_named_after_their_content():
    """Other settings are another object; the same are the same, whoever builds them."""

    def config_map(**server: Any) -> dict[str, Any]:
        return desired_config_map(make.parsed(**server), make.SURROUNDINGS)

    first, again = config_map(), config_map(uid="u2", replicas=9, service={"port": 81})
    other = config_map(server={"maxBatchRows": 7})
    assert first["immutable"] is True
    assert first["metadata"]["name"] == again["metadata"]["name"]
    assert first["metadata"]["name"] != other["metadata"]["name"]
    assert first["data"] == again["data"]
    assert runtime()["envFrom"] == [{"configMapRef": {"name": first["metadata"]["name"]}}]


def test_a_user_adds_labels_and_takes_none_of_ours():
    """The selectors need them."""
    metadata = pod_template(
        make.parsed(podMetadata={"labels": {"team": "blue"}, "annotations": {"a": "b"}}), "x"
    )["metadata"]
    assert metadata["labels"] == {"team": "blue", **labels.pod_labels(make.parsed())}
    assert metadata["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param(None, ["kubernetes.io/hostname"], id="over nodes by default"),
        pytest.param([], [], id="not at all if so asked"),
        pytest.param(
            [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
            ["rack"],
            id="a user's own replaces ours",
        ),
    ],
)
def test_spread(given, want):
    """Always counting the pods of this server."""
    scheduling = {} if given is None else {"topologySpreadConstraints": given}
    found = pod(scheduling=scheduling).get("topologySpreadConstraints", [])
    assert [constraint["topologyKey"] for constraint in found] == want
    selectors = [constraint["labelSelector"] for constraint in found]
    assert selectors == [{"matchLabels": {labels.NAME: "web"}}] * len(want)


POOL = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["models"]}]}
NODE = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [POOL]}}
RACK = {"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "noisy"}}}


@pytest.mark.parametrize(
    ("scheduling", "zones"),
    [
        pytest.param({}, True, id="by default"),
        pytest.param({"affinity": {"nodeAffinity": NODE}}, True, id="beside chosen nodes"),
        pytest.param(
            {
                "affinity": {
                    "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [RACK]}
                }
            },
            False,
            id="not beside chosen neighbours",
        ),
        pytest.param({"topologySpreadConstraints": []}, False, id="not where nothing is spread"),
    ],
)
def test_zones_are_preferred_apart_from_the_constraints(scheduling, zones):
    """A constraint over zones would end the spreading over nodes where no node has a zone."""
    found = pod(scheduling=scheduling).get("affinity", {})
    given = scheduling.get("affinity", {})
    assert given.items() <= found.items()
    assert ("podAntiAffinity" in found.keys() - given.keys()) is zones
    if zones:
        [term] = found["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert term["podAffinityTerm"]["topologyKey"] == "topology.kubernetes.io/zone"


def test_a_selector_of_a_users_constraint_is_left_alone():
    """Pods of something else may be meant."""
    theirs = {"matchLabels": {"app": "other"}}
    constraint = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    given = [{**constraint, "labelSelector": theirs}]
    (found,) = pod(scheduling={"topologySpreadConstraints": given})["topologySpreadConstraints"]
    assert found["labelSelector"] == theirs


def test_what_decides_no_pod_is_not_in_its_template():
    """Or a change of it would restart every pod."""
    same = pod_template(make.parsed(), "x")
    for section in (
        {"replicas": 5},
        {"autoscaling": {"maxReplicas": 3}},
        {"service": {"port": 81}},
        {"disruptionBudget": {"policy": "None"}},
        {"networkPolicy": {"policy": "None"}},
        {"monitoring": {"policy": "Never"}},
        {"rollout": {"maxSurge": 3}},
        {"serviceAccount": {"annotations": {"a": "b"}}},
        {"suspend": True},
    ):
        assert pod_template(make.parsed(**section), "x") == same


def test_how_pods_are_replaced():
    """A new one first, always; the rest is the user's."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
    found = desired_deployment(make.parsed(), make.SURROUNDINGS)["spec"]
    assert found["strategy"] == strategy
    assert (found["minReadySeconds"], found["progressDeadlineSeconds"]) == (10, 600)
    rollout = {"maxSurge": 3, "minReadySeconds": 1, "progressDeadlineSeconds": 60}
    found = desired_deployment(make.parsed(rollout=rollout), make.SURROUNDINGS)["spec"]
    assert found["strategy"]["rollingUpdate"] == {"maxSurge": 3, "maxUnavailable": 0}
    assert (found["minReadySeconds"], found["progressDeadlineSeconds"]) == (1, 60)


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({}, None, id="somebody else's when nothing is said"),
        pytest.param({"autoscaling": {"maxReplicas": 3}}, None, id="the autoscaler's"),
        pytest.param({"replicas": 0}, 0, id="none at all is a number too"),
        pytest.param({"replicas": 5}, 5, id="fixed"),
        pytest.param({"replicas": 5, "suspend": True}, 0, id="suspended is stronger"),
        pytest.param(
            {"autoscaling": {"maxReplicas": 3}, "suspend": True}, 0, id="also than an autoscaler"
        ),
    ],
)
def test_the_count_is_set_only_where_it_is_ours(spec, want):
    """A field that we do not set, we do not own."""
    deployment = desired_deployment(make.parsed(**spec), make.SURROUNDINGS)
    assert deployment["spec"].get("replicas") == want
