"""
What the pods have out of Secrets and ConfigMaps: files that the kubelet mounts.

The operator reads none of them. They are mounted as folders, so that a change arrives in running
pods; a file of its own (`subPath`) would stay as it was. Every key that is known is named, so that
the kubelet waits for one that is missing and says which, where the runtime could only say that a
file is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from modelserver_operator.api import ModelServer
from modelserver_operator.api.reference import ConfigMapKey

_FOLDER: Final = "/etc/modelserver"
_TOKENS: Final = "tokens"
_PUBLIC_KEY: Final = "public-key.pem"
_READABLE_BY_GROUP: Final = 0o440  # the group is the pod's fsGroup


@dataclass(frozen=True)
class MountedFiles:
    """
    One Secret or ConfigMap as a folder of files.

    Args:
        volume: its name in the pod.
        kind: which of both.
        name: of the Secret or the ConfigMap.
        files: for each key that is taken the file it becomes; empty: all, under their own names.
        settings: for each setting of the runtime the file that it names.
    """

    volume: str
    kind: Literal["secret", "configMap"]
    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Where the container finds it."""
        return f"{_FOLDER}/{self.volume}"

    def as_volume(self) -> dict[str, Any]:
        """What the pod has."""
        named = "secretName" if self.kind == "secret" else "name"
        source: dict[str, Any] = {named: self.name, "defaultMode": _READABLE_BY_GROUP}
        if self.files:
            source["items"] = [{"key": key, "path": file} for key, file in self.files.items()]
        return {"name": self.volume, self.kind: source}

    def as_mount(self) -> dict[str, Any]:
        """What the container has."""
        return {"name": self.volume, "mountPath": self.folder, "readOnly": True}

    def environment(self) -> dict[str, str]:
        """What tells the runtime."""
        return {name: f"{self.folder}/{file}" for name, file in self.settings.items()}


def of_config_map(volume: str, value: ConfigMapKey, file: str, **settings: str) -> MountedFiles:
    """Mount one value of a ConfigMap as *file*."""
    return MountedFiles(volume, "configMap", value.name, {value.key: file}, settings)


def mounted_files(server: ModelServer) -> list[MountedFiles]:
    """List what the runtime of *server* has out of Secrets and ConfigMaps, its model apart."""
    found = []
    settings, signature = server.spec.server, server.spec.model.signature
    if settings.auth is not None:
        tokens = settings.auth.bearer_tokens.secret
        found.append(
            MountedFiles(
                "auth",
                "secret",
                tokens.name,
                files={tokens.key: _TOKENS},
                settings={"MODELSERVER_AUTH_TOKENS_FILE": _TOKENS},
            )
        )
    if settings.tls is not None:
        found.append(
            MountedFiles(
                "tls",
                "secret",
                settings.tls.secret.name,
                files={"tls.crt": "tls.crt", "tls.key": "tls.key"},
                settings={
                    "MODELSERVER_TLS_CERT_FILE": "tls.crt",
                    "MODELSERVER_TLS_KEY_FILE": "tls.key",
                },
            )
        )
    if signature is not None:
        found.append(
            of_config_map(
                "signature",
                signature.public_key.config_map,
                _PUBLIC_KEY,
                MODELSERVER_SIGNATURE_KEY_FILE=_PUBLIC_KEY,
            )
        )
    return found
