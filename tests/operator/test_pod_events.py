"""Core Events of pods: asked for seldom, and only where a pod's status does not tell."""

from datetime import datetime, timedelta

import pytest

from modelserver_operator.errors import ApiUnavailable, ChildRefused
from modelserver_operator.pod_events import PodEvents, cause_in
from modelserver_operator.reasons import Cause
from workload_make import MADE_AT, creating, event, last_words, running

START = datetime.fromisoformat(MADE_AT)
CONFIG_MAP = 'MountVolume.SetUp failed for volume "model" : configmap "x" not found'
SUMMARY = "Unable to attach or mount volumes: unmounted volumes=[model], timed out"
ADDRESS = 'Get "http://10.0.0.7:8000/ready": dial tcp 10.0.0.7:8000: connect: connection refused'


class Reader:
    """Answers with *events*, or raises; counts how often it was asked."""

    def __init__(self, *events, error=None):
        self.events, self.error, self.asked = list(events), error, []

    async def list_pod_events(self, namespace, uid):
        """Answer."""
        self.asked.append((namespace, uid))
        if self.error is not None:
            raise self.error
        return self.events


async def hear(memory, reader, *pods, seconds):
    """Ask *seconds* after the pods were made."""
    return await memory.hear(pods, reader, START + timedelta(seconds=seconds))


async def test_a_pod_is_given_ten_seconds_before_anybody_is_asked():
    """Most pods are ready by then, and a look costs a request."""
    memory, reader = PodEvents(), Reader(event("FailedMount", CONFIG_MAP))
    early = await hear(memory, reader, creating(), seconds=4)
    assert (early.causes, early.look_again_seconds, reader.asked) == ({}, 6, [])
    late = await hear(memory, reader, creating(), seconds=10)
    assert late.causes == {"creating": Cause("VolumeMountFailed", CONFIG_MAP)}
    assert reader.asked == [("team", "p1")]


async def test_what_was_heard_is_remembered_and_asked_again_ever_more_seldom():
    """An hour of trouble costs eleven requests, however often the server is reconciled."""
    memory, reader = PodEvents(), Reader(event("FailedMount", CONFIG_MAP))
    asked_at = []
    for second in range(10, 3610, 5):
        before = len(reader.asked)
        heard = await hear(memory, reader, creating(), seconds=second)
        assert heard.causes["creating"].reason == "VolumeMountFailed"
        if len(reader.asked) > before:
            asked_at.append(second)
    assert asked_at[:5] == [10, 20, 40, 80, 160]
    assert len(asked_at) == 11


async def test_one_pod_of_each_kind_of_silence_is_asked_about_and_two_at_once():
    """A thousand pods that wait for the same volume are one question."""
    memory, reader = PodEvents(), Reader()
    many = [creating(f"c{n}") for n in range(9)] + [running(f"r{n}") for n in range(9)]
    ending = last_words("", "e1", code=0)
    heard = await hear(memory, reader, *many, ending, seconds=60)
    assert len(reader.asked) == 2
    assert heard.look_again_seconds == 1
    await hear(memory, reader, *many, ending, seconds=61)
    assert len(reader.asked) == 3


async def test_pods_that_speak_cost_nothing():
    """There is nobody to ask about."""
    memory, reader = PodEvents(), Reader()
    heard = await hear(memory, reader, last_words("ImportError: x"), seconds=99)
    assert (heard.causes, heard.look_again_seconds, reader.asked) == ({}, None, [])


async def test_without_the_right_the_reason_stays_and_the_sentence_is_shorter():
    """And the API server is not asked again for ten minutes, of no pod of that namespace."""
    memory, reader = PodEvents(), Reader(error=ChildRefused("Forbidden", "no"))
    heard = await hear(memory, reader, running(), seconds=30)
    assert heard.causes == {"running": Cause("ProbeFailing", "it runs and does not get ready")}
    await hear(memory, reader, running("another"), seconds=60)
    assert len(reader.asked) == 1
    await hear(memory, reader, running("another"), seconds=631)
    assert len(reader.asked) == 2


async def test_an_api_server_that_does_not_answer_takes_nothing_back():
    """What was heard is true until somebody says something else."""
    memory, reader = PodEvents(), Reader(event("Unhealthy", f"Readiness probe failed: {ADDRESS}"))
    before = await hear(memory, reader, running(), seconds=30)
    reader.error = ApiUnavailable("503")
    after = await hear(memory, reader, running(), seconds=40)
    assert len(reader.asked) == 2
    assert after.causes == before.causes


async def test_a_clock_that_is_behind_is_waited_for_in_steps():
    """The node may stamp times that are in our future."""
    heard = await hear(PodEvents(), Reader(), creating(), seconds=-500)
    assert heard.look_again_seconds == 10


@pytest.mark.parametrize(
    ("silence", "events", "want"),
    [
        pytest.param("creating", [], None, id="nobody said anything"),
        pytest.param(
            "creating",
            [
                event("FailedMount", CONFIG_MAP, "2026-01-01T00:00:01Z"),
                event("FailedMount", SUMMARY, "2026-01-01T00:02:00Z"),
            ],
            Cause("VolumeMountFailed", CONFIG_MAP),
            id="the cause before the summary",
        ),
        pytest.param(
            "creating",
            [
                event("FailedMount", CONFIG_MAP, "2026-01-01T00:00:01Z"),
                event("Pulling", 'Pulling image "x"', "2026-01-01T00:00:09Z"),
            ],
            None,
            id="what failed before and is over",
        ),
        pytest.param(
            "creating",
            [event("FailedAttachVolume", "Multi-Attach error: already used by pod(s) web-x-y")],
            Cause("VolumeMountFailed", "Multi-Attach error: already used by another pod"),
            id="a disk that another pod holds",
        ),
        pytest.param(
            "creating",
            [event("FailedCreatePodSandBox", f'setup network for sandbox "{"0f" * 32}": full')],
            Cause("SandboxFailed", 'setup network for sandbox "…": full'),
            id="a network that has no address left",
        ),
        pytest.param(
            "starting",
            [event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 503")],
            None,
            id="a model that is being loaded is no trouble",
        ),
        pytest.param(
            "starting",
            [
                event("Unhealthy", f"Startup probe failed: {ADDRESS}", "2026-01-01T00:00:03Z"),
                event(
                    "Unhealthy",
                    "Startup probe failed: HTTP probe failed with statuscode: 503",
                    "2026-01-01T00:00:09Z",
                ),
            ],
            None,
            id="nor that nobody listened before",
        ),
        pytest.param(
            "running",
            [event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 503")],
            Cause(
                "ProbeFailing",
                "container runtime: Startup probe failed: HTTP probe failed with statuscode: 503",
            ),
            id="but it is once it had all its time",
        ),
        pytest.param(
            "starting",
            [event("Unhealthy", f"Startup probe failed: {ADDRESS}")],
            Cause(
                "ProbeFailing",
                'container runtime: Startup probe failed: Get "/ready": dial tcp: connect: '
                "connection refused",
            ),
            id="nobody listens",
        ),
        pytest.param(
            "running",
            [
                event("Unhealthy", "Readiness probe failed: timeout", "2026-01-01T00:00:05Z"),
                event("Unhealthy", "Liveness probe failed: timeout", "2026-01-01T00:00:09Z"),
            ],
            Cause("ProbeFailing", "container runtime: Readiness probe failed: timeout"),
            id="of two probes that fail in turn always the same",
        ),
        pytest.param(
            "ending",
            [event("Unhealthy", "Liveness probe failed: timeout")],
            Cause("ProbeFailing", "container runtime: Liveness probe failed: timeout"),
            id="the probe that had it ended",
        ),
    ],
)
def test_what_events_tell(silence, events, want):
    """The newest one that fits, without counters and addresses."""
    assert cause_in(events, silence) == want


def test_an_event_that_is_repeated_is_as_new_as_its_last_repetition():
    """In a series, or counted as Kubernetes did before."""
    repeated = {"lastObservedTime": "2026-01-01T01:00:00.000000Z"}
    old = event("FailedMount", "new words", series=repeated)
    assert cause_in(
        [event("FailedMount", "old words", "2026-01-01T00:30:00Z"), old], "creating"
    ) == (Cause("VolumeMountFailed", "new words"))


async def test_what_is_remembered_is_bounded():
    """Pods come and go for as long as the operator lives."""
    memory, reader = PodEvents(), Reader()
    for number in range(2_100):
        await hear(memory, reader, creating(f"p{number}"), seconds=60)
    assert len(memory._answers) == 2_000
