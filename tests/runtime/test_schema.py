"""OpenAPI says what the server does: no status it does not name, no answer of another form."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.generation import GenerationMode
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
    schema.config.generation.update(modes=[mode])
    statuses: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        seen = statuses.setdefault(operation.label, set())

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def answers_as_described(case: Case, seen: set[int] = seen) -> None:
            answer = case.call()
            seen.add(answer.status_code)
            assert answer.status_code < 500, answer.text
            case.validate_response(answer, checks=CHECKS)

        answers_as_described()
    assert len(statuses) > 20
    if mode is GenerationMode.POSITIVE:  # what fits the schema is mostly taken
        assert {label for label, seen in statuses.items() if 200 not in seen} == set()
