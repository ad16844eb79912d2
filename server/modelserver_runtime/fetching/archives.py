"""
Unpacks tar, tar.gz and zip into a folder: files and folders below it, and nothing else.

What an archive says of owners, modes and times is not taken over. `tarfile` and `zipfile` read the
archive through files that hand out small pieces only, so that no header can fill the memory.
"""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Final

from modelserver_runtime.artifact import MANIFEST
from modelserver_runtime.errors import SourceTooLarge, UnsafeArchive

_CHUNK_BYTES: Final = 64 * 1024
_MAX_MEMBERS: Final = 10_000
_MAX_NAME_BYTES: Final = 1024
_MAX_PART_BYTES: Final = 255
_MAX_HEADER_BYTES: Final = 4 * 1024 * 1024
"""A zip's table of its members is read at once, 400 bytes for each; so is a header of a tar."""
_MAX_RATIO: Final = 200
_RATIO_COUNTS_FROM: Final = 64 * 1024 * 1024
_TAR_OVERHEAD: Final = 16 * 1024 * 1024
"""Headers and padding of as many members as there may be."""
_ZIP_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the others `zipfile` inflates a piece as a whole: 350 bytes of bzip2 take 500 MB of memory."""

_BROKEN: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    gzip.BadGzipFile,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,  # RecursionError too: a tar whose headers are about headers, without end
    ValueError,
)
"""What the standard library raises while it reads an archive that is none."""


def unpack(archive: Path, folder: Path, *, max_bytes: int) -> Path:
    """
    Unpack *archive*, remove it, and return the folder that has the files.

    Args:
        archive: a tar, tar.gz or zip, by what is in it and not by its name.
        folder: made here.
        max_bytes: of all files together.

    Returns:
        *folder*, or the one folder in it where the archive has everything in that one.

    Raises:
        UnsafeArchive, SourceTooLarge.
    """
    folder.mkdir()
    target = _Target(folder, max_bytes, archive.stat().st_size)
    try:
        with archive.open("rb") as file:
            _unpack(file, target)
    except _BROKEN as error:
        raise UnsafeArchive(f"the archive is damaged: {_words(error)}") from error
    archive.unlink()
    inside = list(folder.iterdir())
    if not (folder / MANIFEST).exists() and len(inside) == 1 and inside[0].is_dir():
        return inside[0]
    return folder


def _unpack(file: BinaryIO, target: "_Target") -> None:
    beginning = file.read(512)
    file.seek(0)
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        _unpack_zip(file, target)
    elif beginning.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=file) as inflated:
            _unpack_tar(_Forward(inflated, target), target)
    elif beginning[257:262] == b"ustar":
        _unpack_tar(_Forward(file, target), target)
    else:
        raise UnsafeArchive("it is no archive: it must be tar, tar.gz or zip")


class _Target:
    """
    Where the members of an archive are put.

    Args:
        folder: empty.
        max_bytes: of all files together.
        archive_bytes: size of the archive, to tell a bomb.
    """

    def __init__(self, folder: Path, max_bytes: int, archive_bytes: int) -> None:
        self._folder = folder
        self._archive_bytes = archive_bytes
        self._members = 0
        self._bytes = 0
        self.max_bytes = max_bytes

    def directory(self, name: str) -> None:
        """Make a folder; it may be there already."""
        self._make(self._place(name), name)

    def file(self, name: str, content: IO[bytes], declared_bytes: int) -> None:
        """Write a file, which must be the only one of its name."""
        place = self._place(name)
        if place == self._folder:
            raise UnsafeArchive(f"{_shown(name)} is no name for a file")
        if declared_bytes > self.max_bytes - self._bytes:
            raise SourceTooLarge(self._too_much())
        self._make(place.parent, name)
        try:
            with place.open("xb") as file:
                while chunk := content.read(_CHUNK_BYTES):
                    self._count(len(chunk))
                    file.write(chunk)
        except FileExistsError:
            raise UnsafeArchive(f"{_shown(name)} is in it twice") from None

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self.max_bytes:
            raise SourceTooLarge(self._too_much())
        self.refuse_bomb(self._bytes)

    def refuse_bomb(self, inflated: int) -> None:
        """Refuse an archive that becomes so much more than it is that nobody can mean it."""
        if inflated > max(_RATIO_COUNTS_FROM, _MAX_RATIO * self._archive_bytes):
            raise UnsafeArchive(f"it unpacks to more than {_MAX_RATIO} times its size")

    def _too_much(self) -> str:
        return f"it unpacks to more than the {self.max_bytes} bytes that it may have"

    def _place(self, name: str) -> Path:
        """Tell where a member goes; every member is looked at here, and counted."""
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise UnsafeArchive(f"it has more than {_MAX_MEMBERS} files and folders")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise UnsafeArchive(f"{_shown(name)} leads out of the folder")
        if not name.isprintable() or len(os.fsencode(name)) > _MAX_NAME_BYTES:
            raise UnsafeArchive(f"{_shown(name)} is no name for a file")
        if any(len(os.fsencode(part)) > _MAX_PART_BYTES for part in path.parts):
            raise UnsafeArchive(f"{_shown(name)} is too long a name")
        return self._folder / path

    def _make(self, place: Path, name: str) -> None:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UnsafeArchive(f"{_shown(name)} is a file and a folder at the same time") from None


def _unpack_tar(file: "_Forward", target: _Target) -> None:
    # tarfile asks for no more than these three methods.
    with tarfile.open(fileobj=file, mode="r:") as tar:  # type: ignore[call-overload]
        while (member := tar.next()) is not None:
            name = member.name
            if member.isdir():
                target.directory(name)
            elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not _is_sparse(member):
                content = tar.extractfile(member)
                if content is None or member.size < 0:
                    raise UnsafeArchive(f"{_shown(name)} has no content")
                target.file(name, content, member.size)
            else:
                raise UnsafeArchive(f"{_shown(name)} is {_kind(member)}, and only files may be")


def _is_sparse(member: tarfile.TarInfo) -> bool:
    return member.issparse() or any(key.startswith("GNU.sparse") for key in member.pax_headers)


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "a link"
    if member.isdev():
        return "a device or a pipe"
    return "a sparse file" if _is_sparse(member) else "of an unknown kind"


def _unpack_zip(file: BinaryIO, target: _Target) -> None:
    with zipfile.ZipFile(_SmallPieces(file)) as archive:
        for member in archive.infolist():
            name = member.filename
            if member.orig_filename != name:
                raise UnsafeArchive(f"{_shown(member.orig_filename)} is no name for a file")
            if member.flag_bits & 0x1:
                raise UnsafeArchive(f"{_shown(name)} is encrypted")
            if member.compress_type not in _ZIP_METHODS:
                raise UnsafeArchive(f"{_shown(name)} is compressed in another way than deflate")
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "a link" if stat.S_ISLNK(mode) else "no file"
                raise UnsafeArchive(f"{_shown(name)} is {kind}, and only files may be")
            if member.is_dir():
                target.directory(name)
                continue
            with archive.open(member) as content:
                target.file(name, content, member.file_size)


class _Forward:
    """A tar that is read once, from its beginning to its end, in small pieces."""

    def __init__(self, file: BinaryIO | gzip.GzipFile, target: _Target) -> None:
        self._file = file
        self._target = target
        self._position = 0

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise UnsafeArchive("it has a header that is too long")
        content = self._file.read(size)
        self._position += len(content)
        if self._position > self._target.max_bytes + _TAR_OVERHEAD:
            raise SourceTooLarge(
                f"it unpacks to more than the {self._target.max_bytes} bytes that it may have"
            )
        self._target.refuse_bomb(self._position)
        return content

    def seek(self, position: int) -> int:
        if position < self._position:
            raise UnsafeArchive("it has a header that leads back")
        while self._position < position:
            if not self.read(min(_CHUNK_BYTES, position - self._position)):
                break
        return self._position


class _SmallPieces(io.RawIOBase):
    """A zip that may be read anywhere, but not as a whole."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(position, whence)

    def read(self, size: int = -1) -> bytes:
        limit = _MAX_HEADER_BYTES if size < 0 else size
        if limit > _MAX_HEADER_BYTES:
            raise UnsafeArchive("it has a table of contents that is too long")
        content = self._file.read(limit)
        if size < 0 and self._file.read(1):
            raise UnsafeArchive("it has a table of contents that is too long")
        return content


def _shown(name: str) -> str:
    return repr(name[:100])


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "its headers are about other headers"
    return str(error).rstrip(".")[:200] or type(error).__name__
