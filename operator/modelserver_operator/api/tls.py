"""How the pods prove who they are, and keep what is said to themselves."""

from typing import Annotated

from modelserver_operator.api.reference import Key, LocalReference
from modelserver_operator.api.wire import WhenAbsent, Wire


class Tls(Wire):
    """
    TLS on every port of the pods, metrics and probes included; nothing speaks plain HTTP then.

    Clients change from http to https with it: during the rollout a pod speaks the one or the other.
    """

    secret: LocalReference
    """
    Secret of type `kubernetes.io/tls`, as cert-manager and `kubectl create secret tls` make it.

    The certificate is for `NAME.NAMESPACE.svc` and the names that clients use besides. Pods take up
    a renewed one without a restart.
    """

    ca_key: Annotated[Key | None, WhenAbsent("Prometheus does not verify the certificate")] = None
    """
    Key of that Secret with the authority's certificate, by which Prometheus verifies the pods.

    `ca.crt` where cert-manager made the Secret.
    """
