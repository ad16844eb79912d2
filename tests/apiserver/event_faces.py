"""Events have two faces, core and events.k8s.io, over one stored object: the core one."""

from typing import Final

from apiserver.resources import EVENTS, Body, Resource

_CORE_NAMES: Final = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_ALWAYS_THERE: Final[Body] = {
    **dict.fromkeys(("eventTime", "firstTimestamp", "lastTimestamp")),
    **dict.fromkeys(("reportingComponent", "reportingInstance"), ""),
    "source": {},
}
_NEW_NAMES: Final = {core: new for new, core in _CORE_NAMES.items()}


def as_stored(resource: Resource, body: Body) -> Body:
    """Turn what a client of *resource* sent into the stored form."""
    if resource.storage is not EVENTS or resource is EVENTS:
        return body
    return {
        **{_CORE_NAMES.get(name, name): value for name, value in body.items()},
        **({"apiVersion": EVENTS.api_version} if "apiVersion" in body else {}),
    }


def as_served(resource: Resource, body: Body) -> Body:
    """Turn a stored object into what clients of *resource* see."""
    if resource.storage is not EVENTS:
        return body
    body = {**_ALWAYS_THERE, **body}
    if resource is EVENTS:
        return body
    return {
        **{_NEW_NAMES.get(name, name): value for name, value in body.items()},
        "apiVersion": resource.api_version,
    }
