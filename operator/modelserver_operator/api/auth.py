"""Who may ask for predictions."""

from modelserver_operator.api.reference import SecretKey
from modelserver_operator.api.wire import Wire


class BearerTokens(Wire):
    """Tokens, one of which a request must carry."""

    secret: SecretKey
    """
    Where the tokens are: one a line, each of at least 16 characters, `#` begins a comment.

    Several, so that an old and a new one overlap. Pods take up a changed Secret without a restart.
    """


class Auth(Wire):
    """
    Who may ask for predictions.

    The probes and the metrics are open in any case: neither the kubelet nor Prometheus has a token.
    """

    bearer_tokens: BearerTokens
    """Requests without `Authorization: Bearer …` are answered 401, with a wrong token 403."""
