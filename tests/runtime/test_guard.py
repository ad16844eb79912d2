"""Who may ask, how often, and from which page: tokens, rate limit, CORS."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modelserver_runtime.errors import RateLimited
from modelserver_runtime.limits import RateLimit, client_address, client_of
from modelserver_runtime.settings import from_environment
from runtime.process import Process, running

OLD, NEW = "a-token-of-old-times", "a-token-of-new-times"
ORIGIN = "https://app.example"


def bearer(token: str) -> dict[str, str]:
    """The header that carries *token*."""
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tokens."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(f"# for the tests\n{OLD}\n")
    return file


@pytest.fixture(scope="module")
def guarded(tokens: Path) -> Iterator[Process]:
    """A server that wants a token and lets one page in."""
    with running(auth_tokens_file=str(tokens), cors_origins=ORIGIN) as process:
        process.wait_ready()
        yield process


PROTECTED = [
    ("POST", "/predict"),
    ("POST", "/batch-predict"),
    ("GET", "/model/metadata"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/"),
    ("GET", "/there-is-no-such-route"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED, ids=str)
def test_without_a_token_nothing_is_told(guarded: Process, method: str, path: str) -> None:
    """401 says how to come back; 403 that the token is wrong; neither tells whether a route is."""
    url = f"{guarded.url()}{path}"
    nameless = httpx.request(method, url)
    assert (nameless.status_code, nameless.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("wrong-token-wrong-token", OLD[:-1], OLD + "x", f"{OLD} {OLD}"):
        assert httpx.request(method, url, headers=bearer(wrong)).status_code == 403
    for other in ("Basic dXNlcjpwYXNz", "Bearer", OLD):
        assert httpx.request(method, url, headers={"authorization": other}).status_code == 401


def test_with_a_token_the_answer_comes(guarded: Process, row: dict[str, float]) -> None:
    """In any case of the scheme's name."""
    url = f"{guarded.url()}/predict"
    assert httpx.post(url, json=row, headers=bearer(OLD)).status_code == 200
    lower = {"authorization": f"bearer {OLD}"}
    assert httpx.post(url, json=row, headers=lower).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/prometheus-metrics"])
def test_the_kubelet_and_prometheus_need_no_token(guarded: Process, path: str) -> None:
    """They have none."""
    assert httpx.get(f"{guarded.url()}{path}").status_code == 200


def test_refusals_are_counted(guarded: Process) -> None:
    """As requests that failed, and by the reason."""
    httpx.post(f"{guarded.url()}/predict")
    metrics = httpx.get(f"{guarded.url()}/metrics").text
    assert 'rejected_requests_total{reason="unauthorized"} 0.0' not in metrics
    assert 'prediction_requests_total{endpoint="predict",status="401"}' in metrics


def test_every_request_is_counted_once(tokens: Path, row: dict[str, float]) -> None:
    """Also where one row is answered in the moment it has arrived."""
    with running(auth_tokens_file=str(tokens)) as process:
        process.wait_ready()
        url = f"{process.url()}/predict"
        sent = [({}, 401), (bearer("not-one-of-ours-at-all"), 403), (bearer(OLD), 200)]
        for headers, status in sent:
            assert httpx.post(url, json=row, headers=headers).status_code == status
        metrics = httpx.get(f"{process.url()}/metrics").text
    for status in (401, 403, 200):
        line = f'prediction_requests_total{{endpoint="predict",status="{status}"}} 1.0'
        assert line in metrics
    for reason in ("unauthorized", "forbidden"):
        assert f'rejected_requests_total{{reason="{reason}"}} 1.0' in metrics
    assert "prediction_batch_rows_count 1.0" in metrics


@pytest.mark.parametrize("origins", ["", ORIGIN], ids=["no origins", "origins"])
def test_one_prediction_is_one_prediction(origins: str, row: dict[str, float]) -> None:
    """Whatever else is asked for, the model is asked once."""
    with running(cors_origins=origins) as process:
        process.wait_ready()
        assert httpx.post(f"{process.url()}/predict", json=row).status_code == 200
        metrics = httpx.get(f"{process.url()}/metrics").text
    assert "prediction_batch_rows_count 1.0" in metrics


def test_tokens_are_taken_up_without_a_restart(
    guarded: Process, tokens: Path, row: dict[str, float]
) -> None:
    """Old and new overlap, then the new one is out; a broken file changes nothing."""

    def status(token: str) -> int:
        return httpx.post(f"{guarded.url()}/predict", json=row, headers=bearer(token)).status_code

    def becomes(want: tuple[int, int]) -> None:
        ends = time.monotonic() + 5
        while (status(OLD), status(NEW)) != want:
            assert time.monotonic() < ends, (status(OLD), status(NEW))
            time.sleep(0.1)

    becomes((200, 403))
    _replace(tokens, f"{OLD}\n{NEW}\n")
    becomes((200, 200))
    _replace(tokens, "short\n")
    time.sleep(1.5)
    assert (status(OLD), status(NEW)) == (200, 200)
    assert any("not reloaded" in line for line in guarded.stderr)
    _replace(tokens, f"{OLD}\n")
    becomes((200, 403))


def _replace(file: Path, text: str) -> None:
    """As the kubelet does it: never half a file."""
    other = file.with_name("other")
    other.write_text(text)
    other.rename(file)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "short\n"], ids=repr)
def test_a_file_without_a_usable_token_ends_the_process(tmp_path: Path, text: str) -> None:
    """A server that meant to be closed must not stand open."""
    (tmp_path / "tokens").write_text(text)
    with running(auth_tokens_file=str(tmp_path / "tokens")) as process:
        assert process.wait() == 64
        assert process.events()[-1]["reason"] == "InvalidSetting"


def test_a_page_of_an_allowed_origin_may_ask_and_read(
    guarded: Process, row: dict[str, float]
) -> None:
    """The preflight needs no token; an answer, a refusal too, may be read."""
    url = f"{guarded.url()}/predict"
    asking = {"origin": ORIGIN, "access-control-request-method": "POST"}
    leave = httpx.options(url, headers=asking)
    assert leave.status_code == 200
    assert leave.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in leave.headers["access-control-allow-headers"]
    for headers, status in (({}, 401), (bearer(OLD), 200)):
        answer = httpx.post(url, json=row, headers={"origin": ORIGIN, **headers})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"],
)
def test_a_page_of_another_origin_may_not(guarded: Process, origin: str) -> None:
    """Origins are compared whole."""
    url = f"{guarded.url()}/predict"
    asking = {"origin": origin, "access-control-request-method": "POST"}
    for answer in (httpx.options(url, headers=asking), httpx.post(url, headers={"origin": origin})):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}, {"origin": ORIGIN}])
@pytest.mark.parametrize("path", ["/health", "/model/metadata"])
def test_a_cache_tells_origins_apart(guarded: Process, path: str, headers: dict[str, str]) -> None:
    """What it kept for one must not be given to a page of another."""
    answer = httpx.get(f"{guarded.url()}{path}", headers=headers | bearer(OLD))
    assert (answer.status_code, answer.headers["vary"]) == (200, "origin")


def test_without_cors_no_answer_speaks_of_it(url: str, row: dict[str, float]) -> None:
    """Off by default."""
    for answer in (
        httpx.post(f"{url}/predict", json=row, headers={"origin": ORIGIN}),
        httpx.get(f"{url}/model/metadata", headers={"origin": ORIGIN}),
    ):
        assert answer.status_code == 200
        assert "vary" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
    asking = {"origin": ORIGIN, "access-control-request-method": "POST"}
    assert httpx.options(f"{url}/predict", headers=asking).status_code == 405


def test_who_asks_too_often_is_told_when_to_come_back(row: dict[str, float]) -> None:
    """429 with Retry-After; health stays open."""
    with running(rate_limit_per_minute="5") as process:
        url = process.wait_ready()
        answers = [httpx.post(f"{url}/predict", json=row) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
        assert httpx.get(f"{url}/health").status_code == 200
        metrics = httpx.get(f"{url}/metrics").text
        assert 'rejected_requests_total{reason="rate-limit"} 2.0' in metrics


def test_a_client_is_its_token_or_what_a_trusted_proxy_says(row: dict[str, float]) -> None:
    """Anybody can send X-Forwarded-For: it is believed from trusted proxies only."""
    with running(rate_limit_per_minute="1") as process:
        url = f"{process.wait_ready()}/predict"
        for address, status in (("10.0.0.1", 200), ("10.0.0.2", 429)):
            headers = {"x-forwarded-for": address}
            assert httpx.post(url, json=row, headers=headers).status_code == status
    with running(rate_limit_per_minute="1", trusted_proxies="127.0.0.0/8") as process:
        url = f"{process.wait_ready()}/predict"
        for address, status in (("10.0.0.3", 200), ("10.0.0.3", 429)):
            two = [("x-forwarded-for", address), ("x-forwarded-for", "127.0.0.9")]
            assert httpx.post(url, json=row, headers=two).status_code == status
        for address, status in (("10.0.0.1", 200), ("10.0.0.2", 200), ("9.9.9.9, 10.0.0.2", 429)):
            headers = {"x-forwarded-for": address}
            assert httpx.post(url, json=row, headers=headers).status_code == status


def test_guessing_tokens_has_its_limit(tokens: Path, row: dict[str, float]) -> None:
    """Whoever has none is counted by address, and takes nothing from those who have one."""
    with running(auth_tokens_file=str(tokens), rate_limit_per_minute="3") as process:
        url = f"{process.url()}/predict"
        process.wait_ready()
        guesses = [
            httpx.post(url, json=row, headers=bearer(f"a-guess-of-a-token-{i}")).status_code
            for i in range(5)
        ]
        assert guesses == [403] * 3 + [429] * 2
        assert httpx.post(url, json=row).status_code == 429
        known = [httpx.post(url, json=row, headers=bearer(OLD)).status_code for _ in range(4)]
        assert known == [200] * 3 + [429]


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        (b"", "10.0.0.9"),
        (b"1.2.3.4", "1.2.3.4"),
        (b"6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (b"1.2.3.4, 10.0.0.8", "1.2.3.4"),
        (b"6.6.6.6, 1.2.3.4, 10.0.0.7, 10.0.0.8", "1.2.3.4"),
        (b"1.2.3.4, ", "10.0.0.9"),
        (b"not an address", "10.0.0.9"),
        (b"1.2.3.4, unknown, 10.0.0.8", "10.0.0.8"),
        (b"1.2.3.4:5678", "1.2.3.4"),
        (b"[2001:db8::1]:5678", "2001:db8::1"),
        (b"2001:DB8:0::1", "2001:db8::1"),
        (b"1.2.3.4, ::ffff:10.0.0.8", "1.2.3.4"),
        (b"x" * 30_000, "10.0.0.9"),
    ],
)
def test_the_first_address_that_no_proxy_of_ours_wrote(forwarded_for: bytes, address: str) -> None:
    """Read from the right, where our own proxies write."""
    trusted = from_environment({"MODELSERVER_TRUSTED_PROXIES": "10.0.0.0/24"}).trusted_proxies
    assert client_address("10.0.0.9", forwarded_for, trusted) == address
    assert client_address("::ffff:10.0.0.9", forwarded_for, trusted).endswith(address)
    assert client_address("1.1.1.1", forwarded_for, trusted) == "1.1.1.1"


def test_whoever_has_many_addresses_is_one_client() -> None:
    """A machine gets a network of 64 bits; one that speaks IPv4 has one address."""
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1") != client_of("2001:db8:0:1::1")
    assert client_of("1.2.3.4") == client_of("1.2.3.4") != client_of("1.2.3.5")
    assert client_of("::ffff:1.2.3.4") != client_of("::ffff:1.2.3.5")


def test_a_bucket_refills_steadily() -> None:
    """Sixty a minute is one a second, and never more than a minute's worth at once."""
    now = 0.0
    limit = RateLimit(60, lambda: now)
    for _ in range(60):
        limit.admit(b"x")
    with pytest.raises(RateLimited) as refused:
        limit.admit(b"x")
    assert refused.value.seconds == 1
    limit.admit(b"y")
    now = 1.0
    limit.admit(b"x")
    now = 10_000.0
    for _ in range(60):
        limit.admit(b"x")
    with pytest.raises(RateLimited):
        limit.admit(b"x")
