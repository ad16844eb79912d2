"""Archives that are broken, or that would do harm to whoever unpacked them in good faith."""

import gzip
import io
import stat
import struct
import tarfile
import warnings
import zipfile
from dataclasses import dataclass
from typing import Any

from modelserver_runtime.errors import LoadError, SourceTooLarge, UnsafeArchive
from runtime.archive_make import member, tar, zipped

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Hostile:
    """
    One archive.

    Args:
        name: what is wrong with it.
        content: its bytes.
        says: what must stand in the sentence.
        reason: the class of the refusal.
    """

    name: str
    content: bytes
    says: str
    reason: type[LoadError] = UnsafeArchive


def _tar_of(*members: tuple[tarfile.TarInfo, bytes], kind: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{kind}", format=tarfile.PAX_FORMAT) as archive:
        for header, content in members:
            header.size = len(content) or header.size
            archive.addfile(header, io.BytesIO(content) if content else None)
    return out.getvalue()


def _special(kind: bytes, target: str = "", name: str = "model.skops") -> bytes:
    return _tar_of((member(name, type=kind, linkname=target), b""))


def _header_only(**facts: Any) -> bytes:
    """A header whose content does not follow."""
    return member(**facts).tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def _checksummed(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _negative_size() -> bytes:
    header = bytearray(member("model.skops", size=0).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"  # base 256: less than nothing
    return _checksummed(header) + bytes(2048)


def _headers_about_headers(count: int) -> bytes:
    """Each says of the next one what its name is, so that a reader calls itself."""
    extended = member("x", type=tarfile.XHDTYPE, size=512).tobuf(tarfile.USTAR_FORMAT)
    record = b"13 path=abcd\n".ljust(512, b"\0")
    return (extended + record) * count + member("a").tobuf() + bytes(1024)


def _long_pax_header() -> bytes:
    header = member("x", type=tarfile.XHDTYPE, size=5 * 1024 * 1024).tobuf(tarfile.USTAR_FORMAT)
    return header + b"9 a=bcde\n" * (5 * 1024 * 1024 // 9)


def _zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def _zip_special(mode: int, content: bytes = b"/etc/passwd") -> bytes:
    info = zipfile.ZipInfo("model.skops")
    info.create_system = 3
    info.external_attr = mode << 16
    return _zip_of((info, content))


def _encrypted() -> bytes:
    content = bytearray(_zip_of(("model.skops", b"x" * 20)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def _other_name_inside() -> bytes:
    """The table of contents names one file, the header before its content another."""
    content = _zip_of(("aaaa", b"x"))
    return content.replace(b"aaaa", b"bbbb", 1)


def _unknown_method() -> bytes:
    content = bytearray(_zip_of(("model.skops", b"x" * 20)))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", content, content.index(signature) + offset, 97)
    return bytes(content)


def _compressed_by(method: int) -> bytes:
    """Zeros in a way of which the standard library inflates more at once than was asked for."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a", bytes(16 * MAX_BYTES))
    return out.getvalue()


def _wrong_sum() -> bytes:
    content = bytearray(zipped({"model.skops": b"x" * 2000}, deflate=False))
    content[content.index(b"x" * 100) + 50] ^= 1
    return bytes(content)


def _lies_about_its_size() -> bytes:
    """Says 10 bytes, and is two mebibytes."""
    content = bytearray(_zip_of(("model.skops", bytes(2 * MAX_BYTES))))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(signature) + offset, 10)
    return bytes(content)


def _sparse() -> bytes:
    header = member("model.skops", size=0)
    header.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(10**15)}
    return _tar_of((header, b""))


_GOOD = tar()
_LINK, _PIPE = stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644

HOSTILE: tuple[Hostile, ...] = (
    Hostile("nothing at all", b"", "no archive"),
    Hostile("a web page", b"<!doctype html><title>Sign in</title>", "no archive"),
    Hostile("bzip2", tar(kind="bz2"), "no archive"),
    Hostile("xz", tar(kind="xz"), "no archive"),
    Hostile("tar: climbs", tar({"../evil": b"x"}), "'../evil' leads out"),
    Hostile("tar: climbs from below", tar({"a/../../evil": b"x"}), "leads out"),
    Hostile("tar: absolute", tar({"/etc/evil": b"x"}), "'/etc/evil' leads out"),
    Hostile("tar: backslashes", tar({"..\\evil": b"x"}), "leads out"),
    Hostile("tar: folder that climbs", _special(tarfile.DIRTYPE, name="../evil"), "leads out"),
    Hostile("tar: symbolic link", _special(tarfile.SYMTYPE, "/etc/passwd"), "is a link"),
    Hostile("tar: link inside", _special(tarfile.SYMTYPE, "manifest.json"), "is a link"),
    Hostile("tar: hard link", _special(tarfile.LNKTYPE, "/etc/passwd"), "is a link"),
    Hostile(
        "tar: through a link",
        _tar_of(
            (member("a", type=tarfile.SYMTYPE, linkname="/tmp"), b""),  # noqa: S108 - never used
            (member("a/evil"), b"x"),
        ),
        "is a link",
    ),
    Hostile("tar: device", _special(tarfile.CHRTYPE), "is a device or a pipe"),
    Hostile("tar: block device", _special(tarfile.BLKTYPE), "is a device or a pipe"),
    Hostile("tar: pipe", _special(tarfile.FIFOTYPE), "is a device or a pipe"),
    Hostile("tar: unknown kind", _header_only(name="x", type=b"Z"), "of an unknown kind"),
    Hostile("tar: contiguous file", _header_only(name="x", type=tarfile.CONTTYPE), "unknown kind"),
    Hostile("tar: sparse file", _sparse(), "is a sparse file"),
    Hostile("tar: twice", _tar_of((member("a"), b"x"), (member("./a"), b"y")), "twice"),
    Hostile("tar: file and folder", tar({"a": b"x", "a/b": b"y"}), "a file and a folder"),
    Hostile("tar: folder and file", tar({"a/b": b"x", "a": b"y"}), "twice"),
    Hostile("tar: control characters", tar({"a\nb": b"x"}), "is no name"),
    Hostile("tar: a name that is no text", tar({"a\udcff": b"x"}), "is no name"),
    Hostile("tar: long part", tar({"a" * 300: b"x"}), "too long a name"),
    Hostile("tar: long path", tar({"a/" * 600 + "b": b"x"}), "is no name"),
    Hostile("tar: no name", _tar_of((member("."), b"x")), "is no name"),
    Hostile("tar: cut off", _GOOD[: len(_GOOD) // 4], "damaged"),
    Hostile("tar: promises more than it has", _header_only(name="a", size=9000), "damaged"),
    Hostile("tar: less than nothing", _negative_size(), "has no content"),
    Hostile("tar: headers about headers", _headers_about_headers(1500), "other headers"),
    Hostile("tar: endless header", _long_pax_header(), "header that is too long"),
    Hostile(
        "tar: a petabyte",
        _header_only(name="a", size=10**15),
        f"more than the {MAX_BYTES} bytes",
        SourceTooLarge,
    ),
    Hostile("tar: too many", tar({f"{n}": b"" for n in range(10_001)}), "more than 10000 files"),
    Hostile(
        "tar.gz: bomb",
        tar({"a": bytes(40 * MAX_BYTES)}, kind="gz"),
        f"more than the {MAX_BYTES} bytes",
        SourceTooLarge,
    ),
    Hostile(
        "tar.gz: bomb between files",
        gzip.compress(member("a", type=b"Z", size=64 * MAX_BYTES).tobuf() + bytes(64 * MAX_BYTES)),
        "unknown kind",
    ),
    Hostile("gzip of something else", gzip.compress(b"x" * 5000), "damaged"),
    Hostile("gzip cut off", tar(kind="gz")[:2000], "damaged"),
    Hostile("gzip with garbage inside", b"\x1f\x8b\x08\x00" + b"\xff" * 500, "damaged"),
    Hostile("zip: climbs", zipped({"../evil": b"x"}), "'../evil' leads out"),
    Hostile("zip: absolute", zipped({"/etc/evil": b"x"}), "leads out"),
    Hostile("zip: backslashes", _zip_of((zipfile.ZipInfo("a\\..\\evil"), b"x")), "leads out"),
    Hostile("zip: link", _zip_special(_LINK), "is a link"),
    Hostile("zip: pipe", _zip_special(_PIPE), "is no file"),
    Hostile("zip: twice", _zip_of(("a", b"x"), ("a", b"y")), "twice"),
    Hostile("zip: encrypted", _encrypted(), "is encrypted"),
    Hostile("zip: two names", _other_name_inside(), "damaged"),
    Hostile("zip: unknown compression", _unknown_method(), "another way than deflate"),
    Hostile("zip: bzip2", _compressed_by(zipfile.ZIP_BZIP2), "another way than deflate"),
    Hostile("zip: lzma", _compressed_by(zipfile.ZIP_LZMA), "another way than deflate"),
    Hostile("zip: wrong sum", _wrong_sum(), "damaged"),
    Hostile("zip: cut off", zipped()[:-30], "damaged"),
    Hostile("zip: only an end", b"PK\x05\x06" + b"\xff" * 18, "damaged"),
    Hostile("zip: bomb", _zip_of(("a", bytes(2 * MAX_BYTES))), "more than", SourceTooLarge),
    Hostile("zip: bomb that says it is none", _lies_about_its_size(), "damaged"),
    Hostile("zip: too many", _zip_of(*((f"{n}", b"") for n in range(10_001))), "more than 10000"),
)
