"""Specs that nobody should get past the API server, what they must be told, and specs that pass."""

from typing import Any, NamedTuple

DIGEST = "sha256:" + "0123456789abcdef" * 4
BUNDLED = {"bundled": {"path": "/models/breast-cancer"}}
HTTP = {"url": "https://models.example.com/spam-1.0.0.tar.gz"}
S3 = {"bucket": "models", "key": "spam/1.0.0/"}
IMAGE = {"reference": "ghcr.io/acme/spam@" + DIGEST}
AVERAGE = {"type": "AverageValue", "averageValue": 100}
HALF = {"type": "Utilization", "averageUtilization": 50}
SPREAD = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}


class Invalid(NamedTuple):
    """One mistake: the field that the answer must name, and words that it must contain."""

    mistake: str
    object: dict[str, Any]
    field: str
    says: str
    cel: bool = True  # False: the API server's own words, for types, ranges and enums


def model_server(name: str = "spam", **spec: Any) -> dict[str, Any]:
    """Build a valid ModelServer, changed in what *spec* names."""
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": {"name": name},
        "spec": {"model": {"source": BUNDLED}, **spec},
    }


def _model(**model: Any) -> dict[str, Any]:
    return model_server(model={"source": BUNDLED, **model})


def _path(path: str) -> dict[str, Any]:
    return model_server(model={"source": {"bundled": {"path": path}}})


def _resources(**resources: Any) -> dict[str, Any]:
    return model_server(resources=resources)


def _volume(**claim: Any) -> dict[str, Any]:
    return model_server(model={"source": {"persistentVolumeClaim": claim}, "digest": DIGEST})


def _http(**more: Any) -> dict[str, Any]:
    return model_server(model={"source": {"http": HTTP | more}, "digest": DIGEST})


def _s3(**more: Any) -> dict[str, Any]:
    return model_server(model={"source": {"s3": S3 | more}, "digest": DIGEST})


def _autoscaling(**autoscaling: Any) -> dict[str, Any]:
    return model_server(autoscaling={"maxReplicas": 5, **autoscaling})


def _metric(kind: str, target: dict[str, Any], **metric: Any) -> dict[str, Any]:
    field = kind[0].lower() + kind[1:]
    source = metric or {"metric": {"name": "queue"}}
    return {"type": kind, field: {**source, "target": target}}


def _scale_down(**rules: Any) -> dict[str, Any]:
    return _autoscaling(behavior={"scaleDown": rules})


def _peer(**peer: Any) -> dict[str, Any]:
    return model_server(networkPolicy={"from": [peer]})


def _egress_port(**port: Any) -> dict[str, Any]:
    return model_server(networkPolicy={"egress": [{"ports": [port]}]})


def _tokens(**secret: Any) -> dict[str, Any]:
    return model_server(server={"auth": {"bearerTokens": {"secret": secret}}})


def _origin(origin: str) -> dict[str, Any]:
    return model_server(server={"cors": {"allowOrigins": [origin]}})


def _proxies(proxies: str) -> dict[str, Any]:
    limit = {"requestsPerMinute": 60, "trustedProxies": [proxies]}
    return model_server(server={"rateLimit": limit})


def _toleration(**toleration: Any) -> dict[str, Any]:
    return model_server(scheduling={"tolerations": [toleration]})


def _spread(**constraint: Any) -> dict[str, Any]:
    return model_server(scheduling={"topologySpreadConstraints": [SPREAD | constraint]})


def _node_affinity(**expression: Any) -> dict[str, Any]:
    terms = [{"matchExpressions": [expression]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return model_server(scheduling={"affinity": {"nodeAffinity": required}})


_NAME = "metadata.name must start with a letter"
_PATH = "must be a folder below /models inside the image"
_BYTES = "must be sha256: and 64 lowercase hex digits"
_WORD = "with a letter or digit at both ends"
_IMAGE = "must be an image reference such as ghcr.io/acme/runtime:1.2.0"
_QUANTITY = "must be a quantity such as 500m, 2, 512Mi or 1Gi"
_AUTOSCALED = "this server is autoscaled: change autoscaling.minReplicas/maxReplicas instead"
_PODS = "must be a number of pods such as 1, or a share such as 25%"
_UNDRAINABLE = "no node could ever be drained"
_RESERVED = "belong to the operator and to Kubernetes: choose another key"
_KEYS = "keys are a name of letters, digits"
_RANGE = "must be a range of addresses such as 10.0.0.0/8"
_PROXIES = "spec.server.rateLimit.trustedProxies[0]"
_TYPED = "write the one field that type names"

INVALID = (
    Invalid("name with a dot", model_server("spam.v2"), "metadata.name", _NAME),
    Invalid("name with a digit first", model_server("2spam"), "metadata.name", _NAME),
    Invalid("name too long for children", model_server("s" * 51), "metadata.name", _NAME),
    Invalid("no model", {**model_server(), "spec": {}}, "spec.model", "Required", cel=False),
    Invalid("no source", model_server(model={}), "spec.model.source", "Required", cel=False),
    Invalid("empty source", _model(source={}), "spec.model.source", "write exactly one source"),
    Invalid(
        "two sources",
        _model(source={**BUNDLED, "configMap": {"name": "spam"}}, digest=DIGEST),
        "spec.model.source",
        "write exactly one source: bundled",
    ),
    Invalid("path of the host", _path("/etc"), "spec.model.source.bundled.path", _PATH),
    Invalid("path that climbs", _path("/models/../etc"), "spec.model.source.bundled.path", _PATH),
    Invalid("relative path", _path("models/spam"), "spec.model.source.bundled.path", _PATH),
    Invalid("slash at the end", _path("/models/spam/"), "spec.model.source.bundled.path", _PATH),
    Invalid("hidden folder", _path("/models/.spam"), "spec.model.source.bundled.path", _PATH),
    Invalid(
        "path missing",
        _model(source={"bundled": {}}),
        "spec.model.source.bundled.path",
        "Required",
        cel=False,
    ),
    Invalid(
        "configMap without digest",
        _model(source={"configMap": {"name": "spam"}}),
        "spec.model.digest",
        "a model from outside the image needs its digest: write sha256:",
    ),
    Invalid(
        "configMap name in capitals",
        _model(source={"configMap": {"name": "Spam"}}, digest=DIGEST),
        "spec.model.source.configMap.name",
        "must be the name of an object in this namespace",
    ),
    Invalid("short digest", _model(digest="sha256:abc"), "spec.model.digest", _BYTES),
    Invalid("digest in capitals", _model(digest=DIGEST.upper()), "spec.model.digest", _BYTES),
    Invalid("digest without sha256:", _model(digest="0" * 64), "spec.model.digest", _BYTES),
    Invalid(
        "digest too long", _model(digest=DIGEST + "0"), "spec.model.digest", "may not be", cel=False
    ),
    Invalid("no format", _model(formats=[]), "spec.model.formats", "at least 1", cel=False),
    Invalid(
        "unknown format",
        _model(formats=["pickle"]),
        "spec.model.formats[0]",
        '"skops", "onnx", "joblib"',
        cel=False,
    ),
    Invalid(
        "format twice",
        _model(formats=["onnx", "onnx"]),
        "spec.model.formats",
        "name each format once",
    ),
    Invalid(
        "joblib without digest",
        _model(formats=["skops", "joblib"]),
        "spec.model.digest",
        "a joblib file can run any code when it is loaded, so it needs its digest",
    ),
    Invalid(
        "version read as a number",
        _model(version=1.0),
        "spec.model.version",
        "must be of type string",
        cel=False,
    ),
    Invalid("version with a space", _model(version="1 0"), "spec.model.version", _WORD),
    Invalid("version empty", _model(version=""), "spec.model.version", _WORD),
    Invalid("model name with a slash", _model(name="team/spam"), "spec.model.name", _WORD),
    Invalid("model name of 64", _model(name="s" * 64), "spec.model.name", "63", cel=False),
    Invalid("image as a URL", model_server(image="https://ghcr.io/a/b"), "spec.image", _IMAGE),
    Invalid("image with a space", model_server(image="a/b :1"), "spec.image", _IMAGE),
    Invalid("image in capitals", model_server(image="ghcr.io/Acme/B"), "spec.image", _IMAGE),
    Invalid("short image digest", model_server(image="a/b@sha256:12"), "spec.image", _IMAGE),
    Invalid(
        "unknown pull policy",
        model_server(imagePullPolicy="Daily"),
        "spec.imagePullPolicy",
        '"Always", "IfNotPresent", "Never"',
        cel=False,
    ),
    Invalid(
        "secret without a name",
        model_server(imagePullSecrets=[{}]),
        "spec.imagePullSecrets[0].name",
        "Required",
        cel=False,
    ),
    Invalid(
        "secret twice",
        model_server(imagePullSecrets=[{"name": "a"}, {"name": "a"}]),
        "spec.imagePullSecrets[1]",
        "Duplicate value",
        cel=False,
    ),
    Invalid(
        "negative replicas",
        model_server(replicas=-1),
        "spec.replicas",
        "greater than or equal to 0",
        cel=False,
    ),
    Invalid(
        "replicas beyond 1000",
        model_server(replicas=1001),
        "spec.replicas",
        "less than or equal to 1000",
        cel=False,
    ),
    Invalid(
        "replicas as text",
        model_server(replicas="two"),
        "spec.replicas",
        "must be of type integer",
        cel=False,
    ),
    Invalid(
        "half a replica",
        model_server(replicas=1.5),
        "spec.replicas",
        "must be of type integer",
        cel=False,
    ),
    Invalid(
        "no quantity", _resources(limits={"cpu": "half"}), "spec.resources.limits[cpu]", _QUANTITY
    ),
    Invalid(
        "decimal comma", _resources(limits={"cpu": "0,5"}), "spec.resources.limits[cpu]", _QUANTITY
    ),
    Invalid(
        "unit with a b",
        _resources(limits={"memory": "1GB"}),
        "spec.resources.limits[memory]",
        _QUANTITY,
    ),
    Invalid(
        "negative quantity",
        _resources(limits={"memory": "-1Gi"}),
        "spec.resources.limits[memory]",
        _QUANTITY,
    ),
    Invalid(
        "request above its limit",
        _resources(requests={"cpu": 1}, limits={"cpu": "500m"}),
        "spec.resources.requests",
        "no request may be larger than its limit",
    ),
    Invalid(
        "unknown resource",
        _resources(limits={"mem": "1Gi"}),
        "spec.resources.limits",
        "resources are named cpu, memory",
    ),
    Invalid(
        "device asked for without limit",
        _resources(requests={"nvidia.com/gpu": 1}),
        "spec.resources.requests",
        "write the same amount in limits",
    ),
    Invalid(
        "suspend as text",
        model_server(suspend="maybe"),
        "spec.suspend",
        "must be of type boolean",
        cel=False,
    ),
    Invalid(
        "volume without digest",
        _model(source={"persistentVolumeClaim": {"claimName": "models"}}),
        "spec.model.digest",
        "a model from outside the image needs its digest: write sha256:",
    ),
    Invalid(
        "volume without a claim",
        _volume(path="spam"),
        "spec.model.source.persistentVolumeClaim.claimName",
        "Required",
        cel=False,
    ),
    *(
        Invalid(
            f"path in a volume: {path}",
            _volume(claimName="models", path=path),
            "spec.model.source.persistentVolumeClaim.path",
            "must be a folder inside the volume",
        )
        for path in ("/spam", "../spam", "spam/../..", "spam/", "spam//eggs", ".spam", "")
    ),
    Invalid(
        "two sources, one a volume",
        _model(source={**BUNDLED, "persistentVolumeClaim": {"claimName": "a"}}, digest=DIGEST),
        "spec.model.source",
        "persistentVolumeClaim (a volume), image",
    ),
    Invalid(
        "three sources",
        _model(
            source={
                **BUNDLED,
                "configMap": {"name": "a"},
                "persistentVolumeClaim": {"claimName": "a"},
            },
            digest=DIGEST,
        ),
        "spec.model.source",
        "write exactly one source",
    ),
    *(
        Invalid(
            f"{source} without digest", _model(source={source: rest}), "spec.model.digest", says
        )
        for says in ("a model from outside the image needs its digest",)
        for source, rest in (("image", IMAGE), ("http", HTTP), ("s3", S3))
    ),
    Invalid(
        "two sources, both fetched",
        _model(source={"http": HTTP, "s3": S3}, digest=DIGEST),
        "spec.model.source",
        "http (an archive behind a URL) or s3 (objects in a bucket)",
    ),
    *(
        Invalid(
            f"URL {url!r}",
            _http(url=url),
            "spec.model.source.http.url",
            "must be the http or https address of an archive",
        )
        for url in (
            "",
            "spam.tar.gz",
            "ftp://example.com/spam.tar",
            "file:///etc/passwd",
            "https://",
            "https:///spam.tar",
            "https://ada:secret@example.com/spam.tar",
            "https://example.com/a spam.tar",
            "https://example.com/spam.tar#top",
            "https://example.com?spam",
            "https://-example.com/spam.tar",
            "https://example.com/spåm.tar",
        )
    ),
    Invalid(
        "URL too long",
        _http(url="https://example.com/" + "s" * 2048),
        "spec.model.source.http.url",
        "may not be",
        cel=False,
    ),
    Invalid(
        "a fetch of nothing",
        _http(maxBytes=0),
        "spec.model.source.http.maxBytes",
        "greater than or equal to 1024",
        cel=False,
    ),
    Invalid(
        "a fetch without time",
        _http(timeoutSeconds=0),
        "spec.model.source.http.timeoutSeconds",
        "greater than or equal to 1",
        cel=False,
    ),
    Invalid(
        "authorities without a key",
        _http(caBundle={"configMap": {"name": "authorities"}}),
        "spec.model.source.http.caBundle.configMap.key",
        "Required",
        cel=False,
    ),
    Invalid(
        "credentials of another namespace",
        _s3(credentialsSecret={"name": "kitchen/store"}),
        "spec.model.source.s3.credentialsSecret.name",
        "must be the name of an object in this namespace",
    ),
    *(
        Invalid(
            f"bucket {bucket!r}",
            _s3(bucket=bucket),
            "spec.model.source.s3.bucket",
            "must be the name of a bucket",
        )
        for bucket in ("", "ab", "Models", "models/spam", "-models")
    ),
    *(
        Invalid(f"key {key!r}", _s3(key=key), "spec.model.source.s3.key", "must be the key of an")
        for key in ("", "/spam.tar", "../spam.tar", "spam//eggs.tar", "spam/../eggs", "a b", "s?x")
    ),
    *(
        Invalid(
            f"endpoint {endpoint!r}",
            _s3(endpoint=endpoint),
            "spec.model.source.s3.endpoint",
            "must be the http or https address of the store without a path",
        )
        for endpoint in ("", "minio:9000", "https://minio/models", "https://a:b@minio")
    ),
    Invalid(
        "a region with a slash",
        _s3(region="eu/central"),
        "spec.model.source.s3.region",
        "must be a region such as eu-central-1",
    ),
    *(
        Invalid(
            f"image source {reference!r}",
            _model(source={"image": {"reference": reference}}, digest=DIGEST),
            "spec.model.source.image.reference",
            "must be an image pinned by its digest",
        )
        for reference in ("", "ghcr.io/acme/spam:1", "@" + DIGEST, "a b@" + DIGEST, "spam@sha256:1")
    ),
    Invalid(
        "a folder that leads out of the image",
        _model(source={"image": IMAGE | {"path": "../etc"}}, digest=DIGEST),
        "spec.model.source.image.path",
        "must be a folder inside the volume",
    ),
    Invalid(
        "a signature by nobody",
        _model(signature={}),
        "spec.model.signature.publicKey",
        "Required",
        cel=False,
    ),
    Invalid(
        "a public key that is a path",
        _model(signature={"publicKey": {"configMap": {"name": "keys", "key": "a/b"}}}),
        "spec.model.signature.publicKey.configMap.key",
        "must be a key of a Secret or a ConfigMap",
    ),
    Invalid(
        "fixed and autoscaled",
        model_server(replicas=3, autoscaling={"maxReplicas": 5}),
        "spec.replicas",
        _AUTOSCALED,
    ),
    Invalid(
        "no most pods",
        model_server(autoscaling={}),
        "spec.autoscaling.maxReplicas",
        "Required",
        cel=False,
    ),
    Invalid(
        "least above most",
        _autoscaling(minReplicas=6),
        "spec.autoscaling.minReplicas",
        "minReplicas must not be larger than maxReplicas",
    ),
    Invalid(
        "most below the default least",
        _autoscaling(maxReplicas=1),
        "spec.autoscaling.minReplicas",
        "minReplicas is 2 where it is left out",
    ),
    Invalid(
        "scaled to nothing",
        _autoscaling(minReplicas=0),
        "spec.autoscaling.minReplicas",
        "greater than or equal to 1",
        cel=False,
    ),
    Invalid(
        "CPU target of 0",
        _autoscaling(targetCPUUtilizationPercentage=0),
        "spec.autoscaling.targetCPUUtilizationPercentage",
        "greater than or equal to 1",
        cel=False,
    ),
    Invalid(
        "CPU target without a CPU request",
        model_server(autoscaling={"maxReplicas": 5}, resources={"requests": {"memory": "1Gi"}}),
        "spec.autoscaling",
        "CPU is measured in percent of what the pods ask for: write resources.requests.cpu",
    ),
    Invalid(
        "two CPU targets",
        _autoscaling(
            targetCPUUtilizationPercentage=50, metrics=[_metric("Resource", HALF, name="cpu")]
        ),
        "spec.autoscaling.targetCPUUtilizationPercentage",
        "metrics has a target for cpu already",
    ),
    Invalid(
        "unknown kind of metric",
        _autoscaling(metrics=[_metric("Pods", AVERAGE) | {"type": "Pod"}]),
        "spec.autoscaling.metrics[0].type",
        '"Resource"',
        cel=False,
    ),
    Invalid(
        "metric without its source",
        _autoscaling(metrics=[{"type": "Pods"}]),
        "spec.autoscaling.metrics[0]",
        _TYPED,
    ),
    Invalid(
        "metric with two sources",
        _autoscaling(
            metrics=[_metric("Pods", AVERAGE) | _metric("Resource", HALF, name="cpu")],
        ),
        "spec.autoscaling.metrics[0]",
        _TYPED,
    ),
    Invalid(
        "target without its value",
        _autoscaling(metrics=[_metric("Pods", {"type": "AverageValue"})]),
        "spec.autoscaling.metrics[0].pods.target",
        _TYPED,
    ),
    Invalid(
        "target with another value",
        _autoscaling(metrics=[_metric("Pods", {**AVERAGE, "value": 3})]),
        "spec.autoscaling.metrics[0].pods.target",
        _TYPED,
    ),
    Invalid(
        "target of 0",
        _autoscaling(metrics=[_metric("Pods", {"type": "AverageValue", "averageValue": "0m"})]),
        "spec.autoscaling.metrics[0].pods.target.averageValue",
        "must be a quantity above 0",
    ),
    Invalid(
        "target that is no quantity",
        _autoscaling(metrics=[_metric("Pods", {"type": "AverageValue", "averageValue": "many"})]),
        "spec.autoscaling.metrics[0].pods.target.averageValue",
        "must be a quantity above 0",
    ),
    Invalid(
        "percent of a metric of the pods",
        _autoscaling(metrics=[_metric("Pods", HALF)]),
        "spec.autoscaling.metrics[0].pods.target",
        "a metric of the pods is an average over them: write type AverageValue",
    ),
    Invalid(
        "total of a resource",
        _autoscaling(metrics=[_metric("Resource", {"type": "Value", "value": 1}, name="cpu")]),
        "spec.autoscaling.metrics[0].resource.target",
        "a resource is measured by Utilization or AverageValue",
    ),
    Invalid(
        "percent of something outside",
        _autoscaling(metrics=[_metric("External", HALF)]),
        "spec.autoscaling.metrics[0].external.target",
        "write type Value or AverageValue",
    ),
    Invalid(
        "metric without a name",
        _autoscaling(metrics=[_metric("Pods", AVERAGE, metric={})]),
        "spec.autoscaling.metrics[0].pods.metric.name",
        "Required",
        cel=False,
    ),
    Invalid(
        "selector that compares with nothing",
        _autoscaling(
            metrics=[
                _metric(
                    "External",
                    AVERAGE,
                    metric={
                        "name": "queue",
                        "selector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
                    },
                )
            ]
        ),
        "spec.autoscaling.metrics[0].external.metric.selector.matchExpressions[0].values",
        "In and NotIn need values to compare with",
    ),
    Invalid(
        "scaling by a share of the load",
        _scale_down(policies=[{"type": "Load", "value": 1, "periodSeconds": 60}]),
        "spec.autoscaling.behavior.scaleDown.policies[0].type",
        '"Pods", "Percent"',
        cel=False,
    ),
    Invalid(
        "scaling by nothing",
        _scale_down(policies=[{"type": "Pods", "value": 0, "periodSeconds": 60}]),
        "spec.autoscaling.behavior.scaleDown.policies[0].value",
        "greater than or equal to 1",
        cel=False,
    ),
    Invalid(
        "window of a day",
        _scale_down(stabilizationWindowSeconds=86_400),
        "spec.autoscaling.behavior.scaleDown.stabilizationWindowSeconds",
        "less than or equal to 3600",
        cel=False,
    ),
    Invalid(
        "tolerance that is no quantity",
        _scale_down(tolerance="5%"),
        "spec.autoscaling.behavior.scaleDown.tolerance",
        _QUANTITY,
    ),
    Invalid(
        "unknown type of Service",
        model_server(service={"type": "ExternalName"}),
        "spec.service.type",
        '"ClusterIP", "NodePort", "LoadBalancer"',
        cel=False,
    ),
    Invalid(
        "port 0",
        model_server(service={"port": 0}),
        "spec.service.port",
        "greater than or equal to 1",
        cel=False,
    ),
    Invalid(
        "node port of a ClusterIP",
        model_server(service={"nodePort": 30080}),
        "spec.service.nodePort",
        "a ClusterIP has no port on the nodes",
    ),
    Invalid(
        "annotation of the operator",
        model_server(service={"annotations": {"modelserver.dev/applied-hash": "0"}}),
        "spec.service.annotations",
        _RESERVED,
    ),
    Invalid(
        "both budgets",
        model_server(replicas=3, disruptionBudget={"minAvailable": 1, "maxUnavailable": 1}),
        "spec.disruptionBudget",
        "write minAvailable or maxUnavailable, not both",
    ),
    Invalid(
        "budget of none",
        model_server(disruptionBudget={"policy": "None", "maxUnavailable": 1}),
        "spec.disruptionBudget.policy",
        "with policy None there is no budget",
    ),
    *(
        Invalid(
            f"nothing may go: maxUnavailable {nothing}",
            model_server(disruptionBudget={"maxUnavailable": nothing}),
            "spec.disruptionBudget.maxUnavailable",
            _UNDRAINABLE,
        )
        for nothing in (0, "0%")
    ),
    *(
        Invalid(
            f"share of pods: {share}",
            model_server(disruptionBudget={"maxUnavailable": share}),
            "spec.disruptionBudget.maxUnavailable",
            _PODS,
        )
        for share in (-1, "101%", "1", "1.5%", "%", "half", "-1%")
    ),
    Invalid(
        "all must stay, of any number",
        model_server(replicas=0, disruptionBudget={"minAvailable": "100%"}),
        "spec.disruptionBudget.minAvailable",
        "no node could ever be drained: write less than 100%",
    ),
    *(
        Invalid(
            f"of {replicas} replicas {kept} must stay",
            model_server(replicas=replicas, disruptionBudget={"minAvailable": kept}),
            "spec.disruptionBudget.minAvailable",
            _UNDRAINABLE,
        )
        for replicas, kept in ((1, 1), (3, 3), (3, 7), (1, "1%"), (3, "67%"), (10, "91%"))
    ),
    Invalid(
        "all that are always there must stay",
        model_server(
            autoscaling={"minReplicas": 2, "maxReplicas": 9}, disruptionBudget={"minAvailable": 2}
        ),
        "spec.disruptionBudget.minAvailable",
        _UNDRAINABLE,
    ),
    Invalid(
        "some of an unknown number must stay",
        model_server(disruptionBudget={"minAvailable": 1}),
        "spec.disruptionBudget.minAvailable",
        "minAvailable needs a number of pods to compare with: write replicas or autoscaling",
    ),
    Invalid(
        "clients of no policy",
        model_server(networkPolicy={"policy": "None", "from": [{"podSelector": {}}]}),
        "spec.networkPolicy.policy",
        "with policy None everything is let through",
    ),
    Invalid(
        "no clients",
        model_server(networkPolicy={"from": []}),
        "spec.networkPolicy.from",
        "name who may send requests, or take from out to let in anyone",
    ),
    Invalid("empty peer", _peer(), "spec.networkPolicy.from[0]", "write ipBlock alone"),
    Invalid(
        "addresses and pods in one peer",
        _peer(ipBlock={"cidr": "10.0.0.0/8"}, podSelector={}),
        "spec.networkPolicy.from[0]",
        "write ipBlock alone",
    ),
    *(
        Invalid(
            f"range of addresses: {cidr}",
            _peer(ipBlock={"cidr": cidr}),
            "spec.networkPolicy.from[0].ipBlock.cidr",
            _RANGE,
        )
        for cidr in ("10.0.0.0", "10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.0/255.0.0.0")
    ),
    *(
        Invalid(
            f"exception {exception} outside the range",
            _peer(ipBlock={"cidr": "10.0.0.0/8", "except": [exception]}),
            "spec.networkPolicy.from[0].ipBlock.except",
            "each exception must be a smaller range inside cidr",
        )
        for exception in ("11.0.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32")
    ),
    Invalid(
        "port 70000",
        _egress_port(port=70_000),
        "spec.networkPolicy.egress[0].ports[0].port",
        "must be a port from 1 to 65535 or the name of one",
    ),
    Invalid(
        "port in capitals",
        _egress_port(port="HTTPS"),
        "spec.networkPolicy.egress[0].ports[0].port",
        "must be a port from 1 to 65535 or the name of one",
    ),
    *(
        Invalid(
            f"range of ports: {given}",
            _egress_port(**given),
            "spec.networkPolicy.egress[0].ports[0].endPort",
            "a range of ports begins at the number in port",
        )
        for given in ({"endPort": 99}, {"port": "https", "endPort": 99}, {"port": 99, "endPort": 9})
    ),
    Invalid(
        "unknown protocol",
        _egress_port(protocol="HTTP"),
        "spec.networkPolicy.egress[0].ports[0].protocol",
        '"TCP", "UDP", "SCTP"',
        cel=False,
    ),
    Invalid(
        "unknown monitoring",
        model_server(monitoring={"policy": "Sometimes"}),
        "spec.monitoring.policy",
        '"Auto", "Always", "Never"',
        cel=False,
    ),
    *(
        Invalid(
            f"interval: {interval}",
            model_server(monitoring={"interval": interval}),
            "spec.monitoring.interval",
            'must be seconds or minutes, such as "30s" or "1m"',
        )
        for interval in ("30", "0s", "500ms", "")
    ),
    Invalid(
        "label of the operator",
        model_server(monitoring={"labels": {"app.kubernetes.io/name": "spam"}}),
        "spec.monitoring.labels",
        _RESERVED,
    ),
    Invalid(
        "metrics on the port of the API",
        model_server(server={"metricsPort": 8000}),
        "spec.server.metricsPort",
        "8000 is the port of the API: choose another",
    ),
    Invalid(
        "metrics on a privileged port",
        model_server(server={"metricsPort": 80}),
        "spec.server.metricsPort",
        "greater than or equal to 1024",
        cel=False,
    ),
    Invalid(
        "auth that asks for nothing",
        model_server(server={"auth": {}}),
        "spec.server.auth.bearerTokens",
        "Required",
        cel=False,
    ),
    Invalid(
        "tokens of a whole Secret",
        _tokens(name="tokens"),
        "spec.server.auth.bearerTokens.secret.key",
        "Required",
        cel=False,
    ),
    Invalid(
        "tokens of another namespace",
        _tokens(name="kitchen/tokens", key="tokens"),
        "spec.server.auth.bearerTokens.secret.name",
        "must be the name of an object in this namespace",
    ),
    *(
        Invalid(
            f"tokens under the key {key}",
            _tokens(name="tokens", key=key),
            "spec.server.auth.bearerTokens.secret.key",
            "must be a key of a Secret",
        )
        for key in ("", "..", "a/b")
    ),
    Invalid(
        "TLS without a Secret",
        model_server(server={"tls": {}}),
        "spec.server.tls.secret",
        "Required",
        cel=False,
    ),
    Invalid(
        "an authority that is a path",
        model_server(server={"tls": {"secret": {"name": "tls"}, "caKey": "/etc/ca.crt"}}),
        "spec.server.tls.caKey",
        "must be a key of a Secret",
    ),
    *(
        Invalid(
            f"origin {origin}",
            _origin(origin),
            "spec.server.cors.allowOrigins[0]",
            "must be one origin exactly as browsers send it, such as https://app.example.com",
        )
        for origin in (
            "*",
            "https://*.example.com",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "ftp://app.example.com",
            "null",
            "",
        )
    ),
    *(
        Invalid(
            f"origin {origin}",
            _origin(origin),
            "spec.server.cors.allowOrigins[0]",
            "browsers leave them out",
        )
        for origin in ("https://app.example.com:443", "http://app.example.com:80")
    ),
    Invalid(
        "no origins",
        model_server(server={"cors": {"allowOrigins": []}}),
        "spec.server.cors.allowOrigins",
        "at least 1 items",
        cel=False,
    ),
    Invalid(
        "a rate limit without a rate",
        model_server(server={"rateLimit": {"trustedProxies": ["10.0.0.0/8"]}}),
        "spec.server.rateLimit.requestsPerMinute",
        "Required",
        cel=False,
    ),
    Invalid(
        "no requests",
        model_server(server={"rateLimit": {"requestsPerMinute": 0}}),
        "spec.server.rateLimit.requestsPerMinute",
        "greater than or equal to 1",
        cel=False,
    ),
    *(
        Invalid(f"proxies {proxies!r}", _proxies(proxies), _PROXIES, says)
        for proxies, says in (
            ("10.0.0.1", _RANGE),
            ("ingress.example.com", _RANGE),
            ("10.0.0.0/33", _RANGE),
            ("10.1.2.3/8", "must begin with the first address of the range"),
            ("2001:db8::1/32", "must begin with the first address of the range"),
            ("0.0.0.0/0", "must not be everybody"),
            ("::/0", "must not be everybody"),
        )
    ),
    Invalid(
        "unknown log level",
        model_server(server={"logLevel": "info"}),
        "spec.server.logLevel",
        '"DEBUG", "INFO", "WARNING", "ERROR"',
        cel=False,
    ),
    *(
        Invalid(
            f"{setting} of {value}",
            model_server(server={setting: value}),
            f"spec.server.{setting}",
            says,
            cel=False,
        )
        for setting, value, says in (
            ("maxBatchRows", 0, "greater than or equal to 1"),
            ("maxBodyBytes", 100, "greater than or equal to 1024"),
            ("maxBodyBytes", 2**30, "less than or equal to 67108864"),
            ("maxConcurrency", 0, "greater than or equal to 1"),
            ("requestTimeoutSeconds", 0, "greater than or equal to 1"),
            ("requestTimeoutSeconds", 3601, "less than or equal to 3600"),
            ("requestTimeoutSeconds", "30s", "must be of type integer"),
            ("loadTimeoutSeconds", 90_000, "less than or equal to 86400"),
            ("drainSeconds", 0, "greater than or equal to 1"),
            ("drainSeconds", 601, "less than or equal to 600"),
        )
    ),
    *(
        Invalid(
            f"no surge: {nothing}",
            model_server(rollout={"maxSurge": nothing}),
            "spec.rollout.maxSurge",
            "at least one pod must come before one goes",
        )
        for nothing in (0, "0%")
    ),
    Invalid(
        "surge as a word",
        model_server(rollout={"maxSurge": "all"}),
        "spec.rollout.maxSurge",
        _PODS,
    ),
    Invalid(
        "deadline before a pod can count",
        model_server(rollout={"minReadySeconds": 60, "progressDeadlineSeconds": 60}),
        "spec.rollout.progressDeadlineSeconds",
        "progressDeadlineSeconds must be larger than minReadySeconds",
    ),
    Invalid(
        "node label with a space",
        model_server(scheduling={"nodeSelector": {"gpu type": "a"}}),
        "spec.scheduling.nodeSelector",
        _KEYS,
    ),
    Invalid(
        "node label's value with a slash",
        model_server(scheduling={"nodeSelector": {"disk": "a/b"}}),
        "spec.scheduling.nodeSelector[disk]",
        _WORD,
    ),
    Invalid(
        "priority class in capitals",
        model_server(scheduling={"priorityClassName": "High"}),
        "spec.scheduling.priorityClassName",
        "must be the name of an object of the cluster",
    ),
    Invalid(
        "toleration of a value of no key",
        _toleration(value="gpu"),
        "spec.scheduling.tolerations[0]",
        "name the taint's key, or write operator: Exists",
    ),
    Invalid(
        "toleration of any value and of one",
        _toleration(key="gpu", operator="Exists", value="a100"),
        "spec.scheduling.tolerations[0].value",
        "Exists fits any value: take value out",
    ),
    Invalid(
        "toleration for a time of what does not evict",
        _toleration(key="gpu", effect="NoSchedule", tolerationSeconds=60),
        "spec.scheduling.tolerations[0].tolerationSeconds",
        "only a NoExecute taint is tolerated for a time",
    ),
    Invalid(
        "unknown effect",
        _toleration(key="gpu", effect="Never"),
        "spec.scheduling.tolerations[0].effect",
        '"NoSchedule", "PreferNoSchedule", "NoExecute"',
        cel=False,
    ),
    Invalid(
        "number where a word belongs",
        _toleration(key="gpu", value=1),
        "spec.scheduling.tolerations[0].value",
        "must be of type string",
        cel=False,
    ),
    Invalid(
        "spread that cannot be kept",
        _spread(whenUnsatisfiable="Maybe"),
        "spec.scheduling.topologySpreadConstraints[0].whenUnsatisfiable",
        '"DoNotSchedule", "ScheduleAnyway"',
        cel=False,
    ),
    Invalid(
        "spread without skew",
        _spread(maxSkew=0),
        "spec.scheduling.topologySpreadConstraints[0].maxSkew",
        "greater than or equal to 1",
        cel=False,
    ),
    Invalid(
        "domains of a wish",
        _spread(whenUnsatisfiable="ScheduleAnyway", minDomains=2),
        "spec.scheduling.topologySpreadConstraints[0].minDomains",
        "minDomains counts only with whenUnsatisfiable: DoNotSchedule",
    ),
    Invalid(
        "spread over the same twice",
        model_server(scheduling={"topologySpreadConstraints": [SPREAD, SPREAD]}),
        "spec.scheduling.topologySpreadConstraints[1]",
        "Duplicate value",
        cel=False,
    ),
    *(
        Invalid(
            f"node affinity: {expression}",
            _node_affinity(key="disk", **expression),
            "spec.scheduling.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
            ".nodeSelectorTerms[0].matchExpressions[0].values",
            "In and NotIn need values, Gt and Lt exactly one",
        )
        for expression in (
            {"operator": "In"},
            {"operator": "Exists", "values": ["ssd"]},
            {"operator": "Gt", "values": ["1", "2"]},
        )
    ),
    Invalid(
        "affinity to nothing",
        model_server(
            scheduling={
                "affinity": {
                    "podAntiAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 1, "podAffinityTerm": {"topologyKey": ""}}
                        ]
                    }
                }
            }
        ),
        "spec.scheduling.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"
        "[0].podAffinityTerm.topologyKey",
        "at least 1 chars long",
        cel=False,
    ),
    *(
        Invalid(
            f"pod label {key}",
            model_server(podMetadata={"labels": {key: "spam"}}),
            "spec.podMetadata.labels",
            _RESERVED,
        )
        for key in ("modelserver.dev/track", "app.kubernetes.io/name", "pod-template-hash")
    ),
    Invalid(
        "pod annotation of the operator",
        model_server(podMetadata={"annotations": {"modelserver.dev/spam": "eggs"}}),
        "spec.podMetadata.annotations",
        _RESERVED,
    ),
    *(
        Invalid(
            f"key of a label: {key}",
            model_server(podMetadata={"labels": {key: "spam"}}),
            "spec.podMetadata.labels",
            _KEYS,
        )
        for key in ("", "-team", "a/b/c", "Example.com/team", "t" * 64, "/team")
    ),
    Invalid(
        "label's value with a space",
        model_server(podMetadata={"labels": {"team": "spam and eggs"}}),
        "spec.podMetadata.labels[team]",
        _WORD,
    ),
    Invalid(
        "identity of the operator",
        model_server(serviceAccount={"annotations": {"modelserver.dev/spam": "eggs"}}),
        "spec.serviceAccount.annotations",
        _RESERVED,
    ),
)

_ZONES = {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}

VALID = {
    "nothing but a model": model_server(),
    "no replicas": model_server(replicas=0),
    "no image": model_server(image=""),
    "no resources": _resources(),
    "a device": _resources(limits={"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 1}),
    "a volume": _volume(claimName="models.team-a"),
    "a folder of a volume": _volume(claimName="models", path="breast-cancer/1.0.0"),
    "an image": model_server(
        model={"source": {"image": IMAGE | {"path": "models/spam"}}, "digest": DIGEST}
    ),
    "a URL": _http(),
    "a URL with everything": _http(
        url="http://[fd00::1]:8080/~a/spam.zip?X-Amz-Signature=a%2Fb&c='$(HOME)\"\\",
        maxBytes=68_719_476_736,
        timeoutSeconds=86_400,
        caBundle={"configMap": {"name": "authorities", "key": "root.pem"}},
        credentialsSecret={"name": "web"},
    ),
    "a bucket": _s3(),
    "a bucket with everything": _s3(
        bucket="my.models-1",
        key="a_b/c=1/spam@2.tar.gz",
        endpoint="http://minio.store.svc:9000/",
        region="eu-central-1",
        pathStyle=True,
        maxBytes=1024,
        timeoutSeconds=1,
        caBundle={"configMap": {"name": "authorities", "key": "root.pem"}},
        credentialsSecret={"name": "store"},
    ),
    "a signature": _model(
        signature={"publicKey": {"configMap": {"name": "keys", "key": "release.pub"}}}
    ),
    "CPU in percent": _autoscaling(targetCPUUtilizationPercentage=250),
    "the CPU limit is the request": model_server(
        autoscaling={"maxReplicas": 5}, resources={"limits": {"cpu": 1}}
    ),
    "no CPU, other metrics": model_server(
        autoscaling={"maxReplicas": 5, "metrics": [_metric("Pods", AVERAGE)]}, resources={}
    ),
    "every kind of metric": _autoscaling(
        targetCPUUtilizationPercentage=70,
        metrics=[
            _metric("Resource", HALF, name="memory"),
            _metric("ContainerResource", HALF, name="cpu", container="runtime"),
            _metric("Pods", AVERAGE),
            _metric(
                "Object",
                {"type": "Value", "value": "2k"},
                metric={"name": "hits"},
                describedObject={"apiVersion": "v1", "kind": "Service", "name": "spam"},
            ),
            _metric(
                "External",
                {"type": "AverageValue", "averageValue": "0.5"},
                metric={"name": "queue", "selector": {"matchLabels": {"queue": "a"}}},
            ),
        ],
        behavior={
            "scaleUp": {"selectPolicy": "Disabled"},
            "scaleDown": {
                "stabilizationWindowSeconds": 0,
                "tolerance": "0.05",
                "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}],
            },
        },
    ),
    "a port on every node": model_server(service={"type": "NodePort", "nodePort": 30080}),
    "a cloud's load balancer": model_server(
        service={"type": "LoadBalancer", "port": 8080, "annotations": {"example.com/lb": "{}"}}
    ),
    "one of one may go": model_server(replicas=1, disruptionBudget={"maxUnavailable": 1}),
    "a share may go": model_server(disruptionBudget={"maxUnavailable": "34%"}),
    "two of three stay": model_server(replicas=3, disruptionBudget={"minAvailable": 2}),
    "66 percent of three stay": model_server(replicas=3, disruptionBudget={"minAvailable": "66%"}),
    "90 percent of ten stay": model_server(replicas=10, disruptionBudget={"minAvailable": "90%"}),
    "nothing to keep": model_server(replicas=0, disruptionBudget={"minAvailable": 1}),
    "one of the least stays": model_server(
        autoscaling={"maxReplicas": 5}, disruptionBudget={"minAvailable": 1}
    ),
    "no budget": model_server(disruptionBudget={"policy": "None"}),
    "no network policy": model_server(networkPolicy={"policy": "None"}),
    "some clients": model_server(
        networkPolicy={
            "from": [
                {"podSelector": {}},
                {"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                {"ipBlock": {"cidr": "2001:db8::/32"}},
            ]
        }
    ),
    "some ways out": model_server(
        networkPolicy={
            "egress": [
                {"ports": [{"port": "https"}, {"port": 8000, "endPort": 8010, "protocol": "UDP"}]},
                {"to": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]},
            ]
        }
    ),
    "no way out": model_server(networkPolicy={"egress": []}),
    "every five minutes": model_server(monitoring={"policy": "Always", "interval": "5m"}),
    "every setting": model_server(
        server={
            "logLevel": "DEBUG",
            "maxBatchRows": 1,
            "maxBodyBytes": 1024,
            "maxConcurrency": 1,
            "requestTimeoutSeconds": 3600,
            "loadTimeoutSeconds": 1,
            "drainSeconds": 600,
            "metricsPort": 9090,
            "auth": {"bearerTokens": {"secret": {"name": "tokens.v2", "key": "tokens_A-1.txt"}}},
            "tls": {"secret": {"name": "spam-tls"}, "caKey": "ca.crt"},
            "cors": {
                "allowOrigins": [
                    "https://app.example.com",
                    "http://localhost:3000",
                    "https://xn--bcher-kva.example:8443",
                    "http://[::1]:8080",
                    "http://10.0.0.1:443",
                ]
            },
            "rateLimit": {
                "requestsPerMinute": 1_000_000,
                "trustedProxies": ["10.0.0.0/8", "192.0.2.7/32", "2001:DB8::/32", "fd00::1/128"],
            },
        }
    ),
    "a certificate that Prometheus does not verify": model_server(
        server={"tls": {"secret": {"name": "spam-tls"}}}
    ),
    "all new pods at once": model_server(
        rollout={"maxSurge": "100%", "minReadySeconds": 0, "progressDeadlineSeconds": 30}
    ),
    "no spreading": model_server(scheduling={"topologySpreadConstraints": []}),
    "special nodes": model_server(
        scheduling={
            "nodeSelector": {"kubernetes.io/arch": "arm64", "gpu": ""},
            "tolerations": [
                {"operator": "Exists"},
                {"key": "gpu", "value": "a100", "effect": "NoExecute", "tolerationSeconds": 60},
            ],
            "priorityClassName": "system-cluster-critical",
            "runtimeClassName": "gvisor",
            "topologySpreadConstraints": [
                {"maxSkew": 1, **_ZONES},
                {"maxSkew": 2, **_ZONES, "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3},
            ],
            "affinity": {
                "nodeAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 100,
                            "preference": {
                                "matchExpressions": [
                                    {"key": "cores", "operator": "Gt", "values": ["8"]}
                                ]
                            },
                        }
                    ]
                },
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"app": "noisy"}},
                        }
                    ]
                },
            },
        }
    ),
    "labels and annotations": model_server(
        podMetadata={
            "labels": {"team": "risk", "example.com/cost-center": "c-1", "empty": ""},
            "annotations": {"kubectl.kubernetes.io/restartedAt": "2030-01-01T00:00:00Z"},
        },
        serviceAccount={"annotations": {"iam.example.com/role": "arn:example:role/spam"}},
    ),
}
"""What passes, so that the refusals are not because everything is refused."""
