"""A model that does not fit ends in a word, in a real process, long before the kernel would act."""

import io
import json
import operator
import os
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from onnx import TensorProto, helper

from modelserver_runtime.memory_limit import SHARE, container_memory_bytes, limited_memory
from runtime.artifact_make import Artifact
from runtime.onnx_make import graph
from runtime.process import Process, running

MIB = 2**20
CONTAINER_BYTES = 512 * MIB


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """A copy of the bundled artifact that a test may spoil."""
    return Artifact.copy(tmp_path / "model")


@pytest.mark.parametrize(
    ("files", "membership", "want"),
    [
        pytest.param({"memory.max": "536870912\n"}, "0::/\n", 536870912, id="version 2"),
        pytest.param({"memory.max": "max\n"}, "0::/\n", None, id="version 2, no limit"),
        pytest.param(
            {"memory/memory.limit_in_bytes": "268435456\n"},
            "4:memory:/kubepods/pod1\n0::/\n",
            268435456,
            id="version 1, the container's own mount",
        ),
        pytest.param(
            {"memory/memory.limit_in_bytes": "9223372036854771712\n"},
            "4:memory:/\n",
            None,
            id="version 1, no limit",
        ),
        pytest.param(
            {"a/b/memory.max": "max", "a/memory.max": "1000", "memory.max": "2000"},
            "0::/a/b\n",
            1000,
            id="the least of the groups around it",
        ),
        pytest.param(
            {"memory/a/memory.limit_in_bytes": "5", "a/memory.max": "1"},
            "7:cpu,memory:/a\n",
            5,
            id="version 1, controllers together",
        ),
        pytest.param({}, "", None, id="no control groups"),
        pytest.param({"memory.max": ""}, "0::/../..\n", None, id="nothing in it"),
    ],
)
def test_the_containers_memory(
    files: dict[str, str], membership: str, want: int | None, tmp_path: Path
) -> None:
    """As the kernel tells it, in both versions of control groups."""
    root = tmp_path / "cgroup"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (tmp_path / "membership").write_text(membership)
    assert container_memory_bytes(root, tmp_path / "membership") == want


def resident_bytes() -> int:
    """What this process has resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_growing_to_the_limit_is_allowed_and_beyond_is_not() -> None:
    """Counted from what is resident, whatever else is mapped; afterwards all is as before."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    # Room for 200 MiB, however much the tests before this one have left in the process.
    limit = int((resident_bytes() + 200 * MIB) / SHARE)
    with limited_memory(limit):
        fits = bytes(100 * MIB)
        assert len(fits) == 100 * MIB
        with pytest.raises(MemoryError):
            bytes(250 * MIB)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytes(250 * MIB)) == 250 * MIB


def test_where_there_is_no_room_nothing_is_tried() -> None:
    """Libraries would end the process."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(MemoryError), limited_memory(resident_bytes()):
        pytest.fail("it went inside")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


class Grows:
    """Unpickling it fills more memory than any container here has."""

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.mul, (b"x", 4 * 2**30)


def joblib_bomb() -> tuple[str, bytes]:
    """A hundred bytes of a program."""
    out = io.BytesIO()
    joblib.dump(Grows(), out)
    return "joblib", out.getvalue()


def skops_bomb() -> tuple[str, bytes]:
    """Some megabytes of zip that are a gigabyte of zeros."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        schema = {
            "__class__": "ndarray",
            "__module__": "numpy",
            "__loader__": "NdArrayNode",
            "type": "numpy",
            "file": "zeros.npy",
            "__id__": 1,
            "protocol": 2,
            "_skops_version": "0.13",
        }
        archive.writestr("schema.json", json.dumps(schema))
        with archive.open("zeros.npy", "w", force_zip64=True) as file:
            count = 2**30 // 8
            header = {"descr": "<f8", "fortran_order": False, "shape": (count,)}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(1024 // 16):
                file.write(bytes(16 * MIB))
    return "skops", out.getvalue()


def onnx_bomb() -> tuple[str, bytes]:
    """Three hundred bytes that ask for a matrix of four gigabytes."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [2**30])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    return "onnx", graph(nodes, initializers=[shape], width=30).SerializeToString()


def peak_bytes(process: Process) -> int:
    """The most that the process ever had resident."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


BOMBS = [
    pytest.param(joblib_bomb, id="pickle that grows"),
    pytest.param(skops_bomb, id="zip that inflates"),
    pytest.param(onnx_bomb, id="matrix of ONNX"),
]


@pytest.mark.parametrize("make", BOMBS)
def test_a_bomb_ends_in_a_word(make: Callable[[], tuple[str, bytes]], artifact: Artifact) -> None:
    """The process goes on, says 503, and never had what the bomb asked for."""
    artifact.put(*make())
    with running(
        model_path=str(artifact.folder),
        model_digest=artifact.digest,
        model_formats="skops,onnx,joblib",
        memory_limit_bytes=str(CONTAINER_BYTES),
    ) as process:
        url = process.url()
        process.wait_until(lambda: any(e["event"] == "model not loaded" for e in process.events()))
        (told,) = (e for e in process.events() if e["event"] == "model not loaded")
        assert told["reason"] == "ModelTooLarge", told
        assert "more than 90% of 512 MiB" in told["message"]
        assert peak_bytes(process) < CONTAINER_BYTES
        assert url
