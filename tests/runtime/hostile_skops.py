"""skops files that name what they must not, or that are damaged."""

import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import skops.io
from sklearn.tree import DecisionTreeClassifier

from runtime.artifact_make import Artifact
from runtime.hostile_artifact import Hostile, Spoil, X, Y, put, saved, unloadable, unsafe
from runtime.hostile_pickles import Overloads

IDS = itertools.count(10**9)
"""Beyond those in a packed file: a node of a known number is taken for the one that has it."""


def schema_of(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is in the artifact's skops file."""
    with zipfile.ZipFile(folder / "model.skops") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop("schema.json")), files


def skops_file(schema: Any, files: Mapping[str, bytes]) -> bytes:
    """A skops file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("schema.json", schema if isinstance(schema, str) else json.dumps(schema))
    return out.getvalue()


def node(loader: str, path: str, **more: Any) -> dict[str, Any]:
    """One object in a schema."""
    module, _, name = path.rpartition(".")
    return {
        "__loader__": loader,
        "__module__": module,
        "__class__": name,
        "__id__": next(IDS),
        **more,
    }


def text(value: Any) -> dict[str, Any]:
    """A plain value in a schema."""
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def arguments(*values: Any) -> dict[str, Any]:
    """A tuple in a schema."""
    return node("TupleNode", "builtins.tuple", content=[text(value) for value in values])


def mapping(content: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary in a schema."""
    types = [node("TypeNode", "builtins.str") for _ in content]
    keys = node("ListNode", "builtins.list", content=types)
    return node("DictNode", "builtins.dict", content=dict(content), key_types=keys)


def partial_of(function: Any, *values: Any) -> dict[str, Any]:
    """A partial in a schema."""
    parts = {"func": function, "args": arguments(*values), "kwds": mapping({})}
    return node("PartialNode", "functools.partial", content=parts | {"namespace": text(None)})


def by_method(canary: Path) -> dict[str, Any]:
    """A bound method of a path."""
    path = node("ObjectNode", "pathlib.PosixPath", content=mapping({"_str": text(str(canary))}))
    return node("MethodNode", "pathlib.PosixPath", content={"func": "mkdir", "obj": path})


def by_operator(canary: Path) -> dict[str, Any]:
    """A caller of a method."""
    return node("OperatorFuncNode", "operator.methodcaller", attrs=arguments("mkdir", str(canary)))


SCHEMA_TRICKS: Mapping[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "a function": (lambda _: node("FunctionNode", "os.system"), r"os\.system"),
    "a type": (lambda _: node("TypeNode", "subprocess.Popen"), r"subprocess\.Popen"),
    "a partial of a function": (
        lambda canary: partial_of(node("FunctionNode", "os.mkdir"), str(canary)),
        r"os\.mkdir",
    ),
    "a partial of a type": (
        lambda canary: partial_of(node("TypeNode", "os.mkdir"), str(canary)),
        r"os\.mkdir",
    ),
    "a list that is a function": (
        lambda canary: node("ListNode", "os.system", content=[text(str(canary))]),
        r"os\.system",
    ),
    "a set that is eval": (
        lambda canary: node("SetNode", "builtins.eval", content=[text(str(canary))]),
        r"builtins\.eval",
    ),
    "an array that is a function": (
        lambda _: node("NdArrayNode", "os.mkdir", type="json", content=[], shape=text([0])),
        r"os\.mkdir",
    ),
    "a constructor": (
        lambda canary: node(
            "ConstructorFromReduceNode", "os.mkdir", content=arguments(str(canary))
        ),
        r"os\.mkdir",
    ),
    "a method": (by_method, r"pathlib\.PosixPath"),
    "a caller of methods": (by_operator, r"operator\.methodcaller"),
    "a factory": (
        lambda _: node(
            "DefaultDictNode",
            "collections.defaultdict",
            content={"main": mapping({}), "default_factory": node("FunctionNode", "os.getcwd")},
        ),
        r"os\.getcwd",
    ),
    "a caller of an older protocol": (
        lambda canary: by_operator(canary) | {"protocol": 0},
        r"operator\.methodcaller",
    ),
    "a method of an older protocol": (
        lambda canary: by_method(canary) | {"protocol": 0},
        r"pathlib\.PosixPath",
    ),
    "a module that looks like ours": (
        lambda _: node("ObjectNode", "sklearn.linear_model._base.os.system", content=None),
        r"sklearn\.linear_model\._base\.os\.system",
    ),
    "an estimator's helper": (
        lambda _: node("FunctionNode", "sklearn.datasets.fetch_openml"),
        r"sklearn\.datasets\.fetch_openml",
    ),
}


def with_a_trick(make: Callable[[Path], dict[str, Any]]) -> Spoil:
    """The bundled model with one attribute of its pipeline replaced."""

    def spoil(artifact: Artifact, canary: Path) -> None:
        schema, files = schema_of(artifact.folder)
        schema["content"]["content"]["memory"] = make(canary)
        artifact.put("skops", skops_file(schema, files))

    return spoil


def hostile_skops() -> Iterator[Hostile]:
    for name, (make, words) in SCHEMA_TRICKS.items():
        yield unsafe(f"skops with {name}", with_a_trick(make), words, has_payload=True)
    yield unloadable(
        "skops with a pickle where an array should be",
        _array_of_objects,
        "allow_pickle",
        has_payload=True,
    )
    yield unsafe(
        "skops of a class of one's own",
        put("skops", lambda canary: skops.io.dumps(Overloads(canary))),
        "Overloads",
        has_payload=True,
    )
    yield unloadable(
        "skops with a loader that is none",
        with_a_trick(lambda _: node("EvalNode", "builtins.eval", content="1")),
        "EvalNode",
    )
    yield unloadable("skops without a schema", put("skops", lambda _: _zip({})), "schema.json")
    yield unloadable(
        "skops whose schema is no JSON",
        put("skops", lambda _: skops_file("{", {})),
        "is no skops file",
    )
    yield unloadable(
        "skops whose schema is a list",
        put("skops", lambda _: skops_file([], {})),
        "is no skops file",
    )
    yield unloadable(
        "skops nested ten thousand deep",
        put("skops", lambda _: skops_file("[" * 10_000 + "]" * 10_000, {})),
        "is no skops file",
    )
    yield unloadable("skops that is in itself", with_a_trick(_circle), "skops")
    yield unloadable("skops whose array is missing", _missing_array, r"\.npy")
    yield unloadable("skops whose array is cut off", _short_array, "is no skops")
    yield unsafe("skops with two schemas", _two_schemas, "two files of one name")
    yield unsafe("skops that says it is 100 GB", _declared_size, "would inflate to")
    yield unloadable(
        "skops with a flipped bit under its checksum", _wrong_checksum, "is no skops file"
    )
    yield unloadable("skops with damaged LZMA", _damaged_lzma, "is no skops file")
    yield unsafe(
        "skops of a tree that leads out of itself",
        put("skops", lambda _: _wild_tree()),
        "a tree has a branch",
    )


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def _array_of_objects(artifact: Artifact, canary: Path) -> None:
    schema, files = schema_of(artifact.folder)
    files = {name: saved(canary) for name in files}
    artifact.put("skops", skops_file(schema, files))


def _circle(_: Path) -> dict[str, Any]:
    return node("CachedNode", "builtins.dict")


def _missing_array(artifact: Artifact, _: Path) -> None:
    schema, files = schema_of(artifact.folder)
    files.popitem()
    artifact.put("skops", skops_file(schema, files))


def _short_array(artifact: Artifact, _: Path) -> None:
    schema, files = schema_of(artifact.folder)
    artifact.put("skops", skops_file(schema, {name: c[:-8] for name, c in files.items()}))


def _two_schemas(artifact: Artifact, _: Path) -> None:
    content = artifact.path("model.skops").read_bytes()
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        info = zipfile.ZipInfo("schema2json")
        archive.writestr(info, "{}")
    artifact.put("skops", out.getvalue().replace(b"schema2json", b"schema.json"))


def _declared_size(artifact: Artifact, _: Path) -> None:
    out = io.BytesIO(artifact.path("model.skops").read_bytes())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("zeros", b"0")
        archive.getinfo("zeros").file_size = 100 * 2**30
    artifact.put("skops", out.getvalue())


def _wrong_checksum(artifact: Artifact, _: Path) -> None:
    schema, files = schema_of(artifact.folder)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"schema.json": json.dumps(schema).encode(), **files}.items():
            archive.writestr(name, content)
    content = bytearray(out.getvalue())
    content[200] ^= 1
    artifact.put("skops", bytes(content))


def _damaged_lzma(artifact: Artifact, _: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("schema.json", "{}" * 100)
    content = bytearray(out.getvalue())
    content[45] = 0xFF  # of its properties
    artifact.put("skops", bytes(content))


def _wild_tree() -> bytes:
    estimator = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)
    state = estimator.tree_.__getstate__()
    state["nodes"]["left_child"][0] = 1_000_000
    estimator.tree_.__setstate__(state)
    return skops.io.dumps(estimator)
