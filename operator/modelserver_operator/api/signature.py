"""Who must have signed the artifact."""

from modelserver_operator.api.reference import ConfigMapKey
from modelserver_operator.api.wire import Wire


class PublicKey(Wire):
    """The public half of the key that the artifact is signed with."""

    config_map: ConfigMapKey
    """Where it is, in PEM."""


class Signature(Wire):
    """Who must have signed the artifact."""

    public_key: PublicKey
    """The key that the signature is checked with."""
