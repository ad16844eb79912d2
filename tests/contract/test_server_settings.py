"""Every setting that a ModelServer may have is one that the runtime accepts, to its limits."""

from typing import Any

import pytest

from modelserver_operator.api.server import ServerSettings
from modelserver_runtime.settings import Settings, from_environment, names_of

FIELDS = ServerSettings.model_fields
RUNTIME_DEFAULTS = Settings()


def limits(field: str) -> list[int]:
    """Give the smallest and the largest value that the API server lets through."""
    schema: dict[str, Any] = ServerSettings.model_json_schema()["properties"]
    branch = next(b for b in schema[field].get("anyOf", [schema[field]]) if "minimum" in b)
    return [branch["minimum"], branch["maximum"]]


NUMBERS = [name for name in FIELDS if name != "log_level"]


@pytest.mark.parametrize("field", NUMBERS)
def test_the_runtime_takes_both_limits(field: str) -> None:
    """Or a pod would end at its start with a value that the API server found right."""
    for value in limits(FIELDS[field].alias or field):
        settings = from_environment({names_of(field)[0]: str(value)})
        assert getattr(settings, field) == value


@pytest.mark.parametrize("field", FIELDS)
def test_both_sides_have_the_same_default(field: str) -> None:
    """Whoever moves a model from a laptop into the cluster meets the same limits."""
    assert getattr(ServerSettings(), field) == getattr(RUNTIME_DEFAULTS, field)
