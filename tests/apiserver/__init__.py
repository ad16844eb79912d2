"""
A Kubernetes API server for tests: correct by default, misbehaving on command.

Read `server` for what a test calls, `faults` for what can go wrong, `api` for the verbs, then
`ownership` and `fieldsets` for server-side apply. What it answers is compared with a real API
server in `tests/operator/test_apiserver.py`.
"""

from apiserver.cluster import Cluster
from apiserver.failures import Refused
from apiserver.faults import Call, Rule
from apiserver.journal import Journal, Record
from apiserver.rollout import READY_CONTAINER, STARTING_CONTAINER, roll_out
from apiserver.server import ApiServer, Hook, Reset

__all__ = [
    "READY_CONTAINER",
    "STARTING_CONTAINER",
    "ApiServer",
    "Call",
    "Cluster",
    "Hook",
    "Journal",
    "Record",
    "Refused",
    "Reset",
    "Rule",
    "roll_out",
]
