"""What one pass leaves for the next, beside what the API server keeps."""

from dataclasses import dataclass, field

from modelserver_operator.events import Recorder
from modelserver_operator.pod_events import PodEvents


@dataclass(frozen=True)
class Memory:
    """
    May be lost at any time: Events are then told once more, and Events of pods read once more.

    Args:
        recorder: Events that were posted.
        pod_events: what was read of the kubelet's.
    """

    recorder: Recorder
    pod_events: PodEvents = field(default_factory=PodEvents)
