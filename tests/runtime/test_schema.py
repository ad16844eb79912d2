"""OpenAPI says what the server does: no status it does not name, no answer of another form."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

EXAMPLES = 30
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_route_answers_as_described(url: str, mode: GenerationMode) -> None:
    """Whatever fits the schema, or does not: no 5xx, no undocumented status, header or body."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    statuses = {operation.label: statuses_of(operation, mode) for operation in operations}
    assert len(statuses) > 20
    predictions = {label for label in statuses if label.startswith("POST ")}
    if mode is GenerationMode.POSITIVE:
        assert {label for label, seen in statuses.items() if 200 not in seen} <= predictions
    else:
        assert all(statuses[label] for label in predictions)


def statuses_of(operation: APIOperation, mode: GenerationMode) -> set[int]:
    """Ask *operation* many times; every answer is as described."""
    seen: set[int] = set()

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def answers_as_described(case: Case) -> None:
        answer = case.call()
        seen.add(answer.status_code)
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    with suppress(Unsatisfiable):  # a route that takes nothing can be sent nothing wrong
        answers_as_described()
    return seen
