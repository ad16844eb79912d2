"""What a hostile or broken client may send, and the statuses that may answer it."""

import gzip
import json
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

POSTED = ("/predict", "/batch-predict")
REFUSED = frozenset(range(400, 500))
ANSWERED = frozenset({200}) | REFUSED


class Hostile(NamedTuple):
    """
    One connection's worth of bytes.

    Args:
        name: what is wrong with it.
        content: what is sent.
        statuses: what may come back first; a 5xx never.
    """

    name: str
    content: bytes
    statuses: frozenset[int] = REFUSED


def request(
    body: bytes, *headers: bytes, path: str = "/predict", method: str = "POST", length: bool = True
) -> bytes:
    """A request that asks for its connection to end."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: x", b"connection: close", *headers]
    if length:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def hostile_requests(row: dict[str, float]) -> list[Hostile]:
    """All of them; *row* is one that the model takes."""
    return [
        *_smuggled(row),
        *_framed(row),
        *_heads(),
        *_media(row),
        *_compressed(row),
        *_bodies(row),
        *_values(row),
        *_shapes(row),
        *_odd_but_legal(row),
    ]


def _smuggled(row: dict[str, float]) -> Iterator[Hostile]:
    """Two readers of the same bytes must not see different requests."""
    body = json.dumps(row).encode()
    inner = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
    encodings = (
        *(b"chunked", b"Chunked", b"chunked, identity", b"identity, chunked", b"gzip, chunked"),
        *(b"xchunked", b"chunked\x0b", b"\tchunked", b"chunked,chunked", b"chunke"),
    )
    for encoding, length in product(encodings, (b"4", b"%d" % len(inner))):
        headers = (b"transfer-encoding: " + encoding, b"content-length: " + length)
        content = request(inner, *headers, length=False)
        yield Hostile(f"length {length!r} and {encoding!r}", content)
    for first, second in ((b"5", b"6"), (b"6", b"5"), (b"%d" % len(body), b"0")):
        lengths = (b"content-length: " + first, b"content-length: " + second)
        yield Hostile(f"lengths {first!r} {second!r}", request(body, *lengths, length=False))
    for line in (
        b"content-length : 5",
        b"transfer-encoding : chunked",
        b" transfer-encoding: chunked",
        b"content-length: 5\r\n folded: 1",
        b"x: y\ncontent-length: 5",
        b"x: y\rcontent-length: 5",
        b"x\x00: y",
        b"content-length: 0x10",
        b"content-length: +5",
        b"content-length: 5 5",
        b"content-length: 5,5",
        b"content-length: ",
        b"content-length: 18446744073709551616",
    ):
        yield Hostile(f"header {line!r}", request(b"hello", line, length=False), ANSWERED)


def _framed(row: dict[str, float]) -> Iterator[Hostile]:
    """Chunks that are none."""
    body = json.dumps(row).encode()
    chunked = b"transfer-encoding: chunked"
    for name, content in {
        "no size": b"\r\n" + body,
        "size in words": b"ten\r\n" + body,
        "negative size": b"-5\r\nhello\r\n0\r\n\r\n",
        "size beyond 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "size too small": b"2\r\nhello\r\n0\r\n\r\n",
        "size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
        "size in hexadecimal with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
        "long extension": b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
        "bare line feeds": b"5\nhello\n0\n\n",
    }.items():
        yield Hostile(f"chunks: {name}", request(content, chunked, length=False))


def _heads() -> Iterator[Hostile]:
    """Request lines and headers that no client of good will writes."""
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"):
        for path in POSTED:
            yield Hostile(f"{method} {path}", request(b"", path=path, method=method))
    for method in ("PROPFIND", "BREW", "predict", "P OST", "", "POST\x00", "PO\xd6ST"):
        yield Hostile(f"method {method!r}", request(b"", method=method))
    for path in (
        *("/predict/", "//predict", "/./predict", "/predict/../metrics", "/predict%2f"),
        *("/predict\x00", "/%70redict%00", "/..%2f..%2fetc/passwd", "/../../etc/passwd"),
        *("/docs/../../etc/passwd", "/v1/models/../../x", "*", "http://", "predict", "/\xff"),
        *("/" + "a/" * 4_000, "/?" + "a=b&" * 2_500, "/predict;x=y", "/%", "/%zz", "/\ud83d"),
    ):
        raw = b"GET " + path.encode("utf-8", "surrogatepass") + b" HTTP/1.1\r\n"
        yield Hostile(f"path {path[:40]!r}", raw + b"connection: close\r\n\r\n", ANSWERED)
    for line in (
        *(b"GET /", b"GET / HTTP/1.1", b"GET / HTTP/2.0", b"GET / HTTP/0.9", b"GET / http/1.1"),
        *(b"GET  /  HTTP/1.1", b"GET / HTTP/1.1 x", b"PRI * HTTP/2.0", b"\x00", b"\xff" * 64),
        *(b"SSH-2.0-OpenSSH_9.2", b"EHLO x", b"\x16\x03\x01", b"*1\r\n$4\r\nPING", b"{}"),
    ):
        yield Hostile(f"line {line[:30]!r}", line + b"\r\nconnection: close\r\n\r\n", ANSWERED)
    yield Hostile("a header of 40 kB", request(b"", b"x: " + b"a" * 40_000))
    yield Hostile("a name of 40 kB", request(b"", b"a" * 40_000 + b": x"))
    yield Hostile("2,000 headers", request(b"", *(b"x%d: y" % i for i in range(2_000))))
    yield Hostile("1,000 cookies", request(b"", *(b"cookie: a=b",) * 1_000))
    yield Hostile("upgrade to WebSocket", request(b"{}", b"upgrade: websocket"), ANSWERED)
    yield Hostile("upgrade to h2c", request(b"{}", b"upgrade: h2c"), ANSWERED)
    yield Hostile("expects the impossible", request(b"{}", b"expect: 200-maybe"), ANSWERED)


def _media(row: dict[str, float]) -> Iterator[Hostile]:
    """Content types and what the client says it takes."""
    body = json.dumps(row).encode()
    for kind in (
        *(b"text/plain", b"text/html", b"application/xml", b"application/x-www-form-urlencoded"),
        *(b"multipart/form-data; boundary=x", b"application/octet-stream", b"image/png", b"json"),
        *(b"application/", b"/json", b"*/*", b"\xff\xfe", b"a" * 4_000, b"application/json;" * 99),
        *(b"application/json; charset=utf-16", b'application/json; charset="', b";", b","),
        *(b"application/json, text/html", b"application/jsonp", b"application/json/x"),
    ):
        content = request(body, b"content-type: " + kind)
        yield Hostile(f"type {kind[:40]!r}", content, ANSWERED)
    for accept in (b"text/html", b"application/xml", b"application/json;q=0", b";;;", b"q=1"):
        content = request(body, b"accept: " + accept)
        yield Hostile(f"accept {accept!r}", content, frozenset({406}))


def _compressed(row: dict[str, float]) -> Iterator[Hostile]:
    """Bodies that are not what Content-Encoding says."""
    packed = gzip.compress(json.dumps(row).encode())
    for encoding in (b"deflate", b"br", b"zstd", b"compress", b"gzip, gzip", b"x", b"\xff"):
        content = request(packed, b"content-encoding: " + encoding)
        yield Hostile(f"encoding {encoding!r}", content, frozenset({415}))
    gzipped = b"content-encoding: gzip"
    for name, body in {
        "empty": b"",
        "cut": packed[:-6],
        "two members": packed * 2,
        "trailing bytes": packed + b"x",
        "not gzip": b"{}",
        "wrong checksum": packed[:-8] + b"\0" * 8,
        "bomb": gzip.compress(b"\0" * 20_000_000),
        "bomb in a bomb": gzip.compress(gzip.compress(b" " * 50_000_000)),
    }.items():
        yield Hostile(f"gzip: {name}", request(body, gzipped))


def _bodies(row: dict[str, float]) -> Iterator[Hostile]:
    """What is not JSON, or is JSON to some readers only."""
    good = json.dumps(row)
    for name, body in {
        "empty": b"",
        "blank": b" \n",
        "cut": good[:-1].encode(),
        "two documents": (good * 2).encode(),
        "a comma too many": good.replace("}", ",}").encode(),
        "single quotes": good.replace('"', "'").encode(),
        "a comment": ("/* x */" + good).encode(),
        "a byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "UTF-16": good.encode("utf-16"),
        "UTF-32": good.encode("utf-32"),
        "a NUL in it": good.replace(" ", "\0", 1).encode(),
        "broken UTF-8": good.encode()[:-1] + b', "\xff": 1}',
        "a lone surrogate": good.encode()[:-1] + b', "\\ud800": 1}',
        "nested 100,000 deep": b"[" * 100_000,
        "nested and closed": b"[" * 50_000 + b"]" * 50_000,
        "objects 20,000 deep": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "a number of 100,000 digits": b"1" * 100_000,
        "a string of 60,000": b'"' + b"a" * 60_000 + b'"',
        "random bytes": bytes(range(256)) * 16,
        "too long": b" " * 70_000,
    }.items():
        for path in POSTED:
            yield Hostile(f"{path}: body {name}", request(body, path=path))


def _values(row: dict[str, float]) -> Iterator[Hostile]:
    """One value of a good row replaced by something that is no finite number."""
    name = next(iter(row))
    rest = json.dumps({key: value for key, value in row.items() if key != name})[1:]
    for text in (
        *("null", "true", "false", '"17.99"', '""', "[]", "{}", "[1]", '{"a": 1}', '"NaN"'),
        *("NaN", "Infinity", "-Infinity", "nan", "1e999", "-1e999", "1" * 400, "0x10", "010"),
        *("+1", ".5", "1.", "1e", "--1", "1_000", "1,5", "'1'", '"\\u0031"', "undefined"),
    ):
        body = f'{{"{name}": {text}, {rest}'
        yield Hostile(f"value {text[:20]}", request(body.encode()))
        batch = f'{{"records": [{body}]}}'
        yield Hostile(f"value {text[:20]} in a batch", request(batch.encode(), path=POSTED[1]))


def _shapes(row: dict[str, float]) -> Iterator[Hostile]:
    """Rows and batches of another shape."""
    name = next(iter(row))
    less = {key: value for key, value in row.items() if key != name}
    for body in (
        *([], [1], 1, "x", None, True, {}, [row], {"records": [row]}, {"instances": [[1]]}),
        *(less, row | {"x": 1}, row | {"__proto__": {}}, row | {"": 1}, {name.upper(): 1}),
        *({f"feature_{i}": 1 for i in range(5_000)}, {"__class__": "x"}, {"$ref": "#"}),
    ):
        text = json.dumps(body)
        yield Hostile(f"row {text[:30]} of {len(text)}", request(text.encode()))
    for body in (
        *({}, {"records": []}, {"records": {}}, {"records": None}, {"records": [None]}),
        *({"records": [[]]}, {"records": [{}]}, {"records": [row] * 101}, {"records": [row, 1]}),
        *({"records": [row], "x": 1}, {"Records": [row]}, [row], row, {"records": [less]}),
    ):
        text = json.dumps(body)
        yield Hostile(f"batch {text[:30]} of {len(text)}", request(text.encode(), path=POSTED[1]))


def _odd_but_legal(row: dict[str, float]) -> Iterator[Hostile]:
    """What must be understood, however strange it looks."""
    body = json.dumps(row).encode()
    fine = frozenset({200})
    single = b"".join(b"1\r\n%b\r\n" % body[i : i + 1] for i in range(len(body))) + b"0\r\n\r\n"
    chunked = b"transfer-encoding: chunked"
    yield Hostile("chunks of one byte", request(single, chunked, length=False), fine)
    whole = b"%x;a=b\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(body), body)
    yield Hostile("extension and trailer", request(whole, chunked, length=False), fine)
    yield Hostile("blanks around JSON", request(b" \r\n\t" + body + b"\n "), fine)
    reverse = json.dumps(dict(reversed(row.items()))).encode()
    yield Hostile("another order", request(reverse), fine)
    yield Hostile("an id too long", request(body, b"x-request-id: " + b"a" * 500), fine)
    yield Hostile("an id with a line", request(body, b"x-request-id: a%0d%0ab"), fine)
    yield Hostile("blank lines first", b"\r\n\r\n" + request(body), fine)
    yield Hostile("a host that is none", request(body, b"host: \xff\xfe"), fine)
