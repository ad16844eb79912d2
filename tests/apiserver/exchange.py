"""Requests read, answers written."""

import socket
import struct
from collections.abc import Iterable
from typing import Any, Final

import orjson
import yaml
from aiohttp import web

from apiserver import discovery
from apiserver.api import Options, Target
from apiserver.failures import Refused
from apiserver.faults import Call, Rule
from apiserver.resources import Body, Resource
from apiserver.selectors import Selector, by_fields, by_labels

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
_VERBS: Final = {"POST": "create", "PUT": "update", "DELETE": "delete"}
_YES: Final = ("true", "1")


def target_of(path: str, served: Iterable[Resource]) -> Target | None:
    """Read a URL; None where it names no resource that is served."""
    for resource in served:
        base = f"{discovery.base(resource)}/"
        if not path.startswith(base):
            continue
        namespace, parts = "", path[len(base) :].rstrip("/").split("/")
        if resource.namespaced and parts[0] == "namespaces" and parts[2:]:
            namespace, parts = parts[1], parts[2:]
        plural, name, subresource, *more = [*parts, "", ""]
        if (
            plural == resource.plural
            and subresource in ("", *resource.subresources)
            and not any(more)
        ):
            return Target(resource, namespace, name, subresource)
    return None


def verb_of(request: web.Request, target: Target | None) -> str:
    """Name what *request* wants, in the words of `Call`."""
    if request.method == "PATCH":
        return "apply" if request.content_type == APPLY else "patch"
    if request.method == "GET" and target is not None and not target.name:
        return "watch" if request.query.get("watch") in (*_YES, "True") else "list"
    return _VERBS.get(request.method, "get")


async def body_of(request: web.Request) -> Any:
    """Read the body; raises `Refused` (400) where it is not what it says."""
    raw = await request.read()
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        if not request.content_type.endswith("yaml"):
            raise Refused(400, "the body of the request is no JSON") from None
        return yaml.safe_load(raw)


def check_media_type(request: web.Request, verb: str, target: Target) -> None:
    """Raise `Refused` (405, 415) for what the server does not take."""
    if verb == "patch" and request.content_type != MERGE:
        raise Refused(415, f"the body of the request was in an unknown format: {MERGE} is known")
    if request.method in ("PUT", "DELETE", "PATCH") and not target.name:
        raise Refused(405, "the server does not allow this method on the requested resource")


def call_of(request: web.Request, verb: str, target: Target | None, body: Any) -> Call:
    """Describe *request* for rules, hooks and the log."""
    agent = request.headers.get("User-Agent", "")
    user = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if target is None:
        return Call(verb, "", None, "", "", agent, user)
    name = target.name
    if not name and isinstance(body, dict):
        name = body.get("metadata", {}).get("name", "")
    namespace = target.namespace or None
    return Call(verb, target.resource.kind, namespace, name, target.subresource, agent, user)


def options_of(request: web.Request, verb: str) -> Options:
    """Read who writes, and how."""
    query = request.query
    agent = request.headers.get("User-Agent", "unknown").split("/")[0]
    return Options(
        manager=query.get("fieldManager", "" if verb == "apply" else agent),
        dry_run=query.get("dryRun") == "All",
        force=query.get("force", "").lower() in _YES,
    )


def selector_of(request: web.Request, resource: Resource) -> Selector:
    """Read the label and field selectors."""
    labels = by_labels(request.query.get("labelSelector", ""))
    fields = by_fields(resource, request.query.get("fieldSelector", ""))
    return lambda body: labels(body) and fields(body)


def wants_metadata(request: web.Request) -> bool:
    """Tell whether the client wants no more than metadata."""
    return "as=PartialObjectMetadata" in request.headers.get("Accept", "")


def seen_by(request: web.Request, body: Body) -> Body:
    """One object as the client wants it."""
    if not wants_metadata(request) or body.get("kind") == "Status":
        return body
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": body["metadata"],
    }


def listing(
    request: web.Request, resource: Resource, items: Iterable[Body], metadata: Body
) -> Body:
    """A list as the client wants it."""
    if wants_metadata(request):
        kind, api_version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        return {
            "kind": kind,
            "apiVersion": api_version,
            "metadata": metadata,
            "items": [seen_by(request, body) for body in items],
        }
    bare = () if resource.custom else ("apiVersion", "kind")
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "items": [
            {name: value for name, value in body.items() if name not in bare} for body in items
        ],
    }


def deletion(resource: Resource, body: Body) -> Body:
    """The answer to a DELETE that left, or did not leave, *body*."""
    metadata = body["metadata"]
    if resource.deleted_object or "deletionTimestamp" in metadata:
        return body
    about = {"name": metadata["name"], "kind": resource.plural, "uid": metadata["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**about, **({"group": resource.group} if resource.group else {})},
    }


def answer(body: Body, status: int = 200) -> web.Response:
    """Write JSON."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers={"Content-Type": "application/json"}
    )


def refusal(rule: Rule) -> web.Response:
    """Write the Status of an injected failure."""
    response = answer(Refused(rule.code, rule.message).body, rule.code)
    if rule.retry_after is not None:
        response.headers["Retry-After"] = str(rule.retry_after)
    return response


def cut(request: web.Request) -> web.Response:
    """Close the connection at once, with a reset."""
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
