"""What the server says of itself: versions, groups and resources."""

from collections.abc import Collection
from typing import Final

from apiserver.resources import Body, Resource

VERBS: Final = ["create", "delete", "get", "list", "patch", "update", "watch"]


def answer(path: str, served: Collection[Resource]) -> Body | None:
    """The document at *path*; None where there is none (also aggregated discovery: not offered)."""
    if path == "/version":
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    groups = sorted({(resource.group, resource.version) for resource in served if resource.group})
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*g) for g in groups]}
    for group, version in groups:
        if path == f"/apis/{group}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, version)}
    found = [resource for resource in served if path == base(resource)]
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": [
            entry
            for resource in sorted(found, key=lambda resource: resource.plural)
            for entry in _entries(resource)
        ],
    }


def base(resource: Resource) -> str:
    """The path of *resource*'s group and version."""
    prefix = f"/apis/{resource.group}" if resource.group else "/api"
    return f"{prefix}/{resource.version}"


def _group(group: str, version: str) -> Body:
    named = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}


def _entries(resource: Resource) -> list[Body]:
    common = {"namespaced": resource.namespaced, "kind": resource.kind}
    return [
        {
            "name": resource.plural,
            "singularName": resource.kind.lower(),
            **common,
            "verbs": VERBS,
            **({"shortNames": [*resource.short]} if resource.short else {}),
        },
        *(
            {
                "name": f"{resource.plural}/{subresource}",
                "singularName": "",
                **common,
                **(
                    {"kind": "Scale", "group": "autoscaling", "version": "v1"}
                    if subresource == "scale"
                    else {}
                ),
                "verbs": ["get", "patch", "update"],
            }
            for subresource in resource.subresources
        ),
    ]
