"""Others' words become one line that stays the same for as long as the trouble does."""

import pytest

from modelserver_operator.sentences import lasting, sentence

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("one\n two\t three. ", "one two three", id="one line without a full stop"),
        pytest.param("red \x1b[31malert\x07", "red [31malert", id="fit for a terminal"),
        pytest.param("", "", id="nothing stays nothing"),
    ],
)
def test_sentence(words, want):
    """Whoever wrote them."""
    assert sentence(words) == want


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param(
            'Readiness probe failed: Get "http://10.244.1.7:8000/ready": dial tcp 10.244.1.7:8000: '
            "connect: connection refused",
            'Readiness probe failed: Get "/ready": dial tcp: connect: connection refused',
            id="the address of a pod",
        ),
        pytest.param(
            "lookup registry on 10.96.0.10:53: read udp 10.0.0.3:48231->10.96.0.10:53: i/o timeout",
            "lookup registry on: read udp: i/o timeout",
            id="the ports of a connection",
        ),
        pytest.param(
            'Get "https://[fd00::1]:10250/x": dial tcp [fd00::1]:10250: i/o timeout',
            'Get "/x": dial tcp: i/o timeout',
            id="an address of the newer kind",
        ),
        pytest.param(
            '{"event": "failed", "timestamp": "2026-01-02T03:04:05.678901Z"}',
            '{"event": "failed", "timestamp": "…"}',
            id="a time",
        ),
        pytest.param(
            f'failed to set up network for sandbox "{"0f" * 32}": no addresses',
            'failed to set up network for sandbox "…": no addresses',
            id="the identity of a sandbox",
        ),
        pytest.param(
            f"expected {DIGEST}, found {DIGEST}",
            f"expected {DIGEST}, found {DIGEST}",
            id="but not a digest",
        ),
        pytest.param(
            "volume is already used by pod(s) web-1-a, web-1-b",
            "volume is already used by another pod",
            id="the names of other pods",
        ),
        pytest.param(
            "exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9",
            "exceeded quota: q, requested: pods=1, limited: pods=9",
            id="what others use of a quota",
        ),
        pytest.param("<Model object at 0x7f3a2b1c>", "<Model object at …>", id="a place in memory"),
        pytest.param("mount of web-1-a failed", "mount of the pod failed", id="its own name"),
    ],
)
def test_lasting(words, want):
    """What differs from pod to pod or by the minute is left out, or each pass would be a write."""
    assert lasting(words, "web-1-a") == want
