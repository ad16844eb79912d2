"""
What the pods have out of Secrets: files that the kubelet mounts, and that the operator never reads.

They are mounted as folders, so that a changed Secret arrives in running pods; a file of its own
(`subPath`) would stay as it was. Every key is named, so that the kubelet waits for one that is
missing and says which, where the runtime could only say that a file is not there.
"""

from dataclasses import dataclass
from typing import Any, Final

from modelserver_operator.api import ModelServer

_FOLDER: Final = "/etc/modelserver"
_TOKENS: Final = "tokens"
_READABLE_BY_GROUP: Final = 0o440  # the group is the pod's fsGroup


@dataclass(frozen=True)
class SecretFiles:
    """
    One Secret as a folder of files.

    Args:
        volume: its name in the pod.
        secret: name of the Secret.
        files: for each key that is taken the file it becomes.
        settings: for each setting of the runtime the file that it names.
    """

    volume: str
    secret: str
    files: dict[str, str]
    settings: dict[str, str]

    def as_volume(self) -> dict[str, Any]:
        """What the pod has."""
        items = [{"key": key, "path": file} for key, file in self.files.items()]
        source = {"secretName": self.secret, "defaultMode": _READABLE_BY_GROUP, "items": items}
        return {"name": self.volume, "secret": source}

    def as_mount(self) -> dict[str, Any]:
        """Where the container finds it."""
        return {"name": self.volume, "mountPath": f"{_FOLDER}/{self.volume}", "readOnly": True}

    def environment(self) -> dict[str, str]:
        """What tells the runtime."""
        folder = f"{_FOLDER}/{self.volume}"
        return {name: f"{folder}/{file}" for name, file in self.settings.items()}


def secret_files(server: ModelServer) -> list[SecretFiles]:
    """List what the pods of *server* have out of Secrets."""
    found = []
    settings = server.spec.server
    if settings.auth is not None:
        tokens = settings.auth.bearer_tokens.secret
        found.append(
            SecretFiles(
                "auth",
                tokens.name,
                files={tokens.key: _TOKENS},
                settings={"MODELSERVER_AUTH_TOKENS_FILE": _TOKENS},
            )
        )
    if settings.tls is not None:
        found.append(
            SecretFiles(
                "tls",
                settings.tls.secret.name,
                files={"tls.crt": "tls.crt", "tls.key": "tls.key"},
                settings={
                    "MODELSERVER_TLS_CERT_FILE": "tls.crt",
                    "MODELSERVER_TLS_KEY_FILE": "tls.key",
                },
            )
        )
    return found
