"""Why pods are not ready: the root cause over all pods of the newest template."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

Body = Mapping[str, Any]

_PULL: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
_PULL_PREFIX: Final = re.compile(r'^(Back-off pulling image "[^"]*"[:,]?\s*)?(ErrImagePull:\s*)?')
_RESTART_WORDS: Final = re.compile(r"^back-off \S+ restarting failed container.*$")

_REASON: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
"""An image may write anything; the API server refuses a status with an empty or endless reason."""

PERMANENT: Final = frozenset(
    {"DigestMismatch", "VersionMismatch", "UnsafeFormat", "GoldenMismatch", "ModelNotFound"}
)
"""Causes that no restart cures: somebody has to change the spec or the model."""


class Cause(NamedTuple):
    """One trouble: its reason, and one sentence without anything that changes by itself."""

    reason: str
    message: str


def root_cause(pods: Iterable[Body]) -> Cause | None:
    """
    Find what keeps most of *pods* from being ready.

    Returns:
        The commonest cause with "n of m pods: " before it, or None where no pod tells one. The
        same trouble gives the same text, however often a container restarts.
    """
    all_pods = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    told = Counter(cause for cause in map(_cause, all_pods) if cause is not None)
    if not told:
        return None
    (reason, message), count = min(told.items(), key=lambda item: (-item[1], item[0]))
    return Cause(reason, f"{count} of {len(all_pods)} pods: {message}")


def _cause(pod: Body) -> Cause | None:
    status = pod.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return Cause("Unschedulable", _sentence(scheduled.get("message", "not scheduled yet")))
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next((cause for c in containers for cause in _of_container(c)), None)


def _of_container(container: Body) -> Iterator[Cause]:
    """What a container says of itself, its own last words before the kubelet's."""
    where = f"container {container['name']}"
    waiting = container.get("state", {}).get("waiting", {})
    if waiting.get("reason") in _PULL:
        words = _PULL_PREFIX.sub("", waiting.get("message", ""))
        yield Cause("ImagePullFailed", _sentence(f"{container['image']}: {words or 'not there'}"))
    for ended in _ends(container):
        yield _of_end(where, ended)
    if waiting.get("reason") == "CreateContainerConfigError":
        yield Cause("ContainerConfigError", _sentence(f"{where}: {waiting.get('message', '')}"))


def _ends(container: Body) -> Iterator[Body]:
    for state in ("state", "lastState"):
        terminated = container.get(state, {}).get("terminated")
        if terminated is not None and terminated.get("exitCode") != 0:
            yield terminated


def _of_end(where: str, ended: Body) -> Cause:
    if ended.get("reason") == "OOMKilled":
        return Cause(
            "OutOfMemory",
            f"{where} was killed by the kernel for lack of memory: raise resources.limits.memory",
        )
    words = ended.get("message", "").strip()
    told = _runtime_words(words)
    if told is not None:
        return told
    last_line = words.splitlines()[-1] if words else "no last words"
    return Cause(
        "CrashLoop", _sentence(f"{where} exited with code {ended['exitCode']}: {last_line}")
    )


def _runtime_words(words: str) -> Cause | None:
    """Read the runtime's termination message: one JSON object with reason and message."""
    try:
        told = json.loads(words)
        cause = Cause(str(told["reason"]), _sentence(str(told["message"])))
    except (ValueError, KeyError, TypeError):
        return None
    return cause if _REASON.fullmatch(cause.reason) else None


def _sentence(words: str) -> str:
    """One line of at most 600 characters, no full stop, no timer that changes each minute."""
    line = " ".join(_RESTART_WORDS.sub("", words).split()).rstrip(".")
    return line[:600]
