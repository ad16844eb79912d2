"""Events are told when conditions turned; the same turn again counts the first Event up."""

from datetime import UTC, datetime, timedelta

import pytest

import modelserver_make as make
from modelserver_operator.conditions import Finding
from modelserver_operator.errors import ApiUnavailable, StalePicture
from modelserver_operator.events import Recorder

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
READY = Finding("Ready", "True", "Ready", "The newest spec is live")
SCALING = Finding("Ready", "False", "ScalingInProgress", "2 of 5 pods run the newest spec")
WRONG = "1 of 2 pods: a, not b"
MISMATCH = Finding("Ready", "False", "DigestMismatch", WRONG)
STALLED = Finding("Stalled", "True", "DigestMismatch", WRONG)
KNOWN = make.server() | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


class Writer:
    """Keeps what was posted, or raises."""

    def __init__(self):
        self.posted, self.patched, self.error = [], [], None

    async def create_event(self, body):
        """Keep it."""
        if self.error is not None:
            raise self.error
        self.posted.append(body)

    async def patch_event(self, namespace, name, patch):
        """Keep it."""
        if self.error is not None:
            raise self.error
        self.patched.append((namespace, name, patch))


class Bench:
    """A recorder and where it writes to."""

    def __init__(self):
        self.recorder, self.writer = Recorder("operator-1"), Writer()

    async def tell(self, *turned, minutes=0.0, server=KNOWN):
        """Tell what turned so many *minutes* after noon."""
        now = NOON + timedelta(minutes=minutes)
        await self.recorder.tell(server, turned, self.writer, now)


async def test_what_turned_is_told():
    """With all that the API server asks of an Event."""
    bench = Bench()
    await bench.tell(SCALING)
    (event,) = bench.writer.posted
    name = event["metadata"].pop("name")
    assert name.startswith("web.")
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "team"},
        "eventTime": "2026-01-01T12:00:00.000000Z",
        "type": "Normal",
        "reason": "ScalingInProgress",
        "note": "Ready=False: 2 of 5 pods run the newest spec",
        "action": "Reconcile",
        "reportingController": "modelserver.dev/operator",
        "reportingInstance": "operator-1",
        "regarding": {
            "apiVersion": "modelserver.dev/v1alpha1",
            "kind": "ModelServer",
            "name": "web",
            "namespace": "team",
            "uid": "u1",
        },
    }


async def test_conditions_that_say_the_same_are_one_event():
    """A trouble is told once, with all that it turned."""
    bench = Bench()
    await bench.tell(MISMATCH, STALLED)
    (event,) = bench.writer.posted
    assert (event["type"], event["note"]) == (
        "Warning",
        f"Ready=False, Stalled=True: {WRONG}",
    )


async def test_a_flapping_condition_counts_its_first_events_up():
    """As Kubernetes' own recorder does: the second time is count 2."""
    bench = Bench()
    for minute in range(10):
        await bench.tell(SCALING if minute % 2 == 0 else READY, minutes=minute)
    names = [event["metadata"]["name"] for event in bench.writer.posted]
    assert [event["reason"] for event in bench.writer.posted] == ["ScalingInProgress", "Ready"]
    assert [(name, p["series"]["count"]) for _, name, p in bench.writer.patched] == [
        (names[turn % 2], 2 + turn // 2) for turn in range(8)
    ]
    assert bench.writer.patched[-1][2]["series"]["lastObservedTime"] == (
        "2026-01-01T12:09:00.000000Z"
    )


async def test_what_comes_again_much_later_is_an_event_of_its_own():
    """Six minutes after the last time, the series is over."""
    bench = Bench()
    await bench.tell(SCALING)
    await bench.tell(SCALING, minutes=5.9)
    await bench.tell(SCALING, minutes=12)
    assert len(bench.writer.posted) == 2
    assert len(bench.writer.patched) == 1
    first, second = (event["metadata"]["name"] for event in bench.writer.posted)
    assert first != second


async def test_an_event_that_is_gone_is_posted_anew():
    """The API server keeps them for an hour, and people may delete them."""
    bench = Bench()
    await bench.tell(SCALING)

    async def gone(*_):
        raise StalePicture("not found")

    bench.writer.patch_event = gone
    await bench.tell(SCALING, minutes=1)
    assert len(bench.writer.posted) == 2


async def test_servers_do_not_count_one_another_up():
    """Nor do two that had the same name one after the other."""
    bench = Bench()
    other = KNOWN | {"metadata": KNOWN["metadata"] | {"uid": "u2"}}
    await bench.tell(SCALING)
    await bench.tell(SCALING, server=other)
    assert len(bench.writer.posted) == 2


async def test_an_event_that_cannot_be_posted_is_no_error():
    """The status has been stored; whoever asks will be told."""
    bench = Bench()
    bench.writer.error = ApiUnavailable("503")
    await bench.tell(SCALING)
    bench.writer.error = None
    await bench.tell(SCALING, minutes=1)
    assert len(bench.writer.posted) == 1


@pytest.mark.parametrize(
    ("turned", "told"),
    [
        pytest.param(
            [
                Finding("Accepted", "True", "Accepted", "a"),
                Finding("Available", "False", "NoReadyPods", "b"),
                Finding("Ready", "False", "RolloutInProgress", "c"),
                Finding("Stalled", "False", "Progressing", "d"),
            ],
            ["RolloutInProgress"],
            id="all is as it should be",
        ),
        pytest.param(
            [Finding("Accepted", "False", "NameConflict", "a"), READY],
            ["NameConflict", "Ready"],
            id="something is in the way",
        ),
    ],
)
async def test_of_a_new_server_only_the_news_is_told(turned, told):
    """Four Events for each that is made would bury the one that matters."""
    bench = Bench()
    await bench.tell(*turned, server=make.server())
    assert [event["reason"] for event in bench.writer.posted] == told


async def test_what_is_remembered_is_bounded():
    """Servers come and go for as long as the operator lives."""
    bench = Bench()
    for number in range(4_200):
        server = KNOWN | {"metadata": KNOWN["metadata"] | {"uid": f"u{number}"}}
        await bench.tell(SCALING, server=server)
    assert len(bench.recorder._posted) == 4_096
