"""How the operator believes lists and objects to be merged, and what the API server says of it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cluster_access import Cluster

import modelserver_make as make
from modelserver_operator.children import CHILDREN
from modelserver_operator.drift import ATOMIC_MAPS, LIST_MAP_KEYS
from modelserver_operator.kinds import SERVICE_MONITOR, Kind

pytestmark = pytest.mark.cluster

KINDS = {child.kind.name: child.kind for child in CHILDREN if child.kind != SERVICE_MONITOR}
Schema = dict[str, Any]


@pytest.fixture(scope="module")
def schemas(cluster: Cluster) -> dict[str, Schema]:
    """Every type of the groups that children are of."""
    found: dict[str, Schema] = {}
    for version in sorted({kind.api_version for kind in KINDS.values()}):
        path = f"apis/{version}" if "/" in version else f"api/{version}"
        document = json.loads(cluster.kubectl("get", "--raw", f"/openapi/v3/{path}").stdout)
        found |= document["components"]["schemas"]
    return found


def resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Follow references; what stands beside one counts as well."""
    reference = schema.get("$ref") or schema.get("allOf", [{}])[0].get("$ref")
    if reference is None:
        return schema
    beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    return {**resolved(schemas[reference.rpartition("/")[2]], schemas), **beside}


def root_of(kind: Kind, schemas: Mapping[str, Schema]) -> Schema:
    """Find the type that is served as *kind*."""
    served = {"group": kind.group, "version": kind.version, "kind": kind.name}
    (root,) = (
        schema
        for schema in schemas.values()
        if served in schema.get("x-kubernetes-group-version-kind", ())
        and "metadata" in schema["properties"]
    )
    return root


def walk(
    value: Any, schema: Schema, schemas: Mapping[str, Schema], field: str = ""
) -> Iterator[tuple[str, Any, Schema]]:
    """Yield each object and list of *value*, with its field and its type."""
    schema = resolved(schema, schemas)
    if isinstance(value, dict):
        yield field, value, schema
        for name, part in value.items():
            below = schema.get("properties", {}).get(name) or schema["additionalProperties"]
            yield from walk(part, below, schemas, name)
    elif isinstance(value, list):
        yield field, value, schema
        for item in value:
            yield from walk(item, schema["items"], schemas)


def is_one_value(schema: Schema) -> bool:
    """Tell whether a list or an object is merged as a whole: so are lists that say nothing."""
    if schema["type"] == "array":
        return schema.get("x-kubernetes-list-type", "atomic") == "atomic"
    return schema.get("x-kubernetes-map-type") == "atomic"


def parts(kind: str, schemas: Mapping[str, Schema]) -> list[tuple[str, Any, Schema]]:
    """Walk everything that is set in a child with everything on, not into what is one value."""
    found: list[tuple[str, Any, Schema]] = []
    inside = 0
    for field, value, schema in walk(
        make.children(**make.SPECS["fuller"])[kind], root_of(KINDS[kind], schemas), schemas
    ):
        if inside:
            inside -= 1
            continue
        found.append((field, value, schema))
        if is_one_value(schema):
            inside = sum(1 for _ in walk(value, schema, schemas)) - 1
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_compared_as_the_api_server_merges_them(
    schemas: dict[str, Schema], kind: str
) -> None:
    """By key where it has keys, as a whole where it has none."""
    lists = [(f, v, s) for f, v, s in parts(kind, schemas) if isinstance(v, list)]
    for field, items, schema in lists:
        if is_one_value(schema):
            assert field not in LIST_MAP_KEYS, field
            continue
        assert schema["x-kubernetes-list-type"] == "map", field
        ours = [key for key in LIST_MAP_KEYS[field] if any(key in item for item in items)]
        assert ours == schema["x-kubernetes-list-map-keys"], field


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_compared_as_the_api_server_merges_them(
    schemas: dict[str, Schema], kind: str
) -> None:
    """Field by field, or as a whole."""
    objects = [(f, s) for f, v, s in parts(kind, schemas) if isinstance(v, dict) and f]
    for field, schema in objects:
        assert (field in ATOMIC_MAPS) == is_one_value(schema), field


@pytest.mark.parametrize(
    ("field", "type_"),
    [
        ("env", "io.k8s.api.core.v1.Container"),
        ("ephemeralContainers", "io.k8s.api.core.v1.PodSpec"),
        ("hostAliases", "io.k8s.api.core.v1.PodSpec"),
        ("initContainers", "io.k8s.api.core.v1.PodSpec"),
        ("secrets", "io.k8s.api.core.v1.ServiceAccount"),
    ],
)
def test_lists_of_others_are_known_as_well(
    schemas: dict[str, Schema], field: str, type_: str
) -> None:
    """What they put there stands beside what a later version of ours may put there."""
    schema = schemas[type_]["properties"][field]
    assert list(LIST_MAP_KEYS[field]) == schema["x-kubernetes-list-map-keys"]


def test_what_is_one_value_is_something_that_is_set(schemas: dict[str, Schema]) -> None:
    """Or the table would say something of nothing."""
    assert {field for kind in KINDS for field, _, _ in parts(kind, schemas)} >= ATOMIC_MAPS
