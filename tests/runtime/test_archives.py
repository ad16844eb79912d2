"""What comes out of an archive, and what must not."""

from pathlib import Path

import pytest

from modelserver_runtime.errors import UnsafeArchive
from modelserver_runtime.fetching.archives import unpack
from runtime.archive_make import ARTIFACT, tar, zipped
from runtime.hostile_archives import HOSTILE, MAX_BYTES, Hostile

KINDS = {
    "tar": tar,
    "tar.gz": lambda **more: tar(kind="gz", **more),
    "zip": zipped,
    "zip without compression": lambda **more: zipped(deflate=False, **more),
}


def unpacked(content: bytes, place: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack *content* in *place*."""
    archive = place / "archive"
    archive.write_bytes(content)
    return unpack(archive, place / "unpacked", max_bytes=max_bytes)


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files below *folder*."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("below", ["", "./", "breast-cancer/", "./breast-cancer/"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_of_any_kind_gives_the_artifacts_folder(tmp_path, kind, below):
    """Recognised by what is in it; where all is in one folder, that is the artifact."""
    folder = unpacked(KINDS[kind](below=below), tmp_path)
    assert contents(folder) == ARTIFACT
    assert not (tmp_path / "archive").exists()


def test_one_folder_beside_a_manifest_is_part_of_the_artifact(tmp_path):
    """It is what it is in only where nothing is beside it."""
    files = {"manifest.json": b"{}", "tokens/words.txt": b"x"}
    assert contents(unpacked(tar(files), tmp_path)) == files


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_archive_is_refused(tmp_path: Path, hostile: Hostile) -> None:
    """With a sentence, nothing written elsewhere, and here no more than may be."""
    place = tmp_path / "in"
    place.mkdir()
    with pytest.raises(hostile.reason) as refused:
        unpacked(hostile.content, place)
    assert type(refused.value) is hostile.reason
    assert hostile.says in str(refused.value)
    assert str(refused.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    written = contents(place / "unpacked")
    assert sum(map(len, written.values())) <= MAX_BYTES
    assert not any(path.is_symlink() for path in place.rglob("*"))


def test_there_are_enough_of_them():
    """Each is another way to do harm."""
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 50


def test_a_bomb_is_told_by_how_much_it_becomes(tmp_path):
    """Also where a model of that size would be let through."""
    bomb = tar({"a": bytes(80 * MAX_BYTES)}, kind="gz")
    with pytest.raises(UnsafeArchive, match="more than 200 times its size"):
        unpacked(bomb, tmp_path, max_bytes=2**40)
