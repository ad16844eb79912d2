"""What a container may do: nothing that Pod Security `restricted` forbids, and no more."""

from typing import Any


def container_security() -> dict[str, Any]:
    """Build the security context of any container of ours."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
