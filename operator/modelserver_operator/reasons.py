"""Every reason that a condition can have; the type checker lets no other be given."""

from typing import Final, Literal, NamedTuple, TypeGuard, get_args

GoodReason = Literal["Accepted", "PodsAvailable", "Ready", "Progressing"]
"""What a condition says while nothing is wrong."""

RestReason = Literal["Suspended", "ScaledToZero"]
"""No pods run, and none are asked for."""

Refusal = Literal[
    "InvalidSpec",
    "NameConflict",
    "WaitingForGarbageCollection",
    "Forbidden",
    "QuotaExceeded",
    "ImmutableField",
    "MonitoringUnavailable",
]
"""What keeps a child, a ReplicaSet or a pod from being made."""

RolloutReason = Literal[
    "NoReadyPods",
    "RolloutInProgress",
    "RolloutPaused",
    "RolloutStalled",
    "ScalingInProgress",
]
"""How far the pods are."""

PodReason = Literal[
    "ContainerConfigError",
    "CrashLoop",
    "Evicted",
    "ImagePullFailed",
    "ImageVolumeUnsupported",
    "OutOfMemory",
    "ProbeFailing",
    "SandboxFailed",
    "Unschedulable",
    "VolumeMountFailed",
]
"""Why a pod is not ready, as its status or the kubelet's Events tell."""

RuntimeReason = Literal[
    "DigestMismatch",
    "FetchFailed",
    "GoldenMismatch",
    "InvalidSetting",
    "LoadTimeout",
    "ModelLoadFailed",
    "ModelNotFound",
    "ModelTooLarge",
    "SignatureInvalid",
    "SourceTooLarge",
    "UnsafeArchive",
    "UnsafeFormat",
    "VersionMismatch",
]
"""Why a pod is not ready, as the runtime tells with its last words."""

Reason = GoodReason | RestReason | Refusal | RolloutReason | PodReason | RuntimeReason

REASONS: Final[frozenset[str]] = frozenset(
    reason for group in get_args(Reason) for reason in get_args(group)
)

PERMANENT: Final[frozenset[Reason]] = frozenset(
    {
        "DigestMismatch",
        "GoldenMismatch",
        "ImageVolumeUnsupported",
        "InvalidSetting",
        "ModelLoadFailed",
        "ModelNotFound",
        "ModelTooLarge",
        "SignatureInvalid",
        "SourceTooLarge",
        "UnsafeArchive",
        "UnsafeFormat",
        "VersionMismatch",
    }
)
"""Causes that no restart cures: somebody has to change the spec or the model."""


class Cause(NamedTuple):
    """One trouble: its reason, and one sentence without anything that changes by itself."""

    reason: Reason
    message: str


def is_runtime_reason(word: object) -> TypeGuard[RuntimeReason]:
    """Tell whether *word*, which any image may have written, is one of the runtime's reasons."""
    return word in get_args(RuntimeReason)
