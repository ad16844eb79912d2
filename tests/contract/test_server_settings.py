"""Every setting that a ModelServer may have is one that the runtime accepts, to its limits."""

from typing import Any

import pytest

import modelserver_make as make
from invalid_modelservers import VALID
from modelserver_operator.api.server import ServerSettings
from modelserver_operator.children.configmap import runtime_environment
from modelserver_runtime.settings import Settings, from_environment, names_of

FIELDS = ServerSettings.model_fields
SECTIONS = {"auth", "tls", "cors", "rate_limit"}
RUNTIME_DEFAULTS = Settings()


def limits(field: str) -> list[int]:
    """Give the smallest and the largest value that the API server lets through."""
    schema: dict[str, Any] = ServerSettings.model_json_schema()["properties"]
    branch = next(b for b in schema[field].get("anyOf", [schema[field]]) if "minimum" in b)
    return [branch["minimum"], branch["maximum"]]


NUMBERS = [name for name in FIELDS if name not in SECTIONS | {"log_level"}]


@pytest.mark.parametrize("field", NUMBERS)
def test_the_runtime_takes_both_limits(field: str) -> None:
    """Or a pod would end at its start with a value that the API server found right."""
    for value in limits(FIELDS[field].alias or field):
        settings = from_environment({names_of(field)[0]: str(value)})
        assert getattr(settings, field) == value


@pytest.mark.parametrize("field", ["log_level", *NUMBERS])
def test_both_sides_have_the_same_default(field: str) -> None:
    """Whoever moves a model from a laptop into the cluster meets the same limits."""
    assert getattr(ServerSettings(), field) == getattr(RUNTIME_DEFAULTS, field)


def understood(**server: Any) -> Settings:
    """Give what the runtime makes of what the operator tells it."""
    return from_environment(runtime_environment(make.parsed(server=server)))


def test_without_the_sections_the_runtime_is_open() -> None:
    """Whoever reaches it may ask, in plain HTTP, as often as he likes."""
    names = ("auth_tokens_file", "tls_cert_file", "tls_key_file", "cors_origins")
    names += ("rate_limit_per_minute", "trusted_proxies")
    assert {n: getattr(understood(), n) for n in names} == {
        n: getattr(RUNTIME_DEFAULTS, n) for n in names
    }


def test_every_section_is_understood() -> None:
    """Each value under the name that the runtime gives it."""
    settings = understood(**make.SPECS["fuller"]["server"])
    assert str(settings.auth_tokens_file) == "/etc/modelserver/auth/tokens"
    assert str(settings.tls_cert_file) == "/etc/modelserver/tls/tls.crt"
    assert str(settings.tls_key_file) == "/etc/modelserver/tls/tls.key"
    assert settings.cors_origins == ("https://app.example.com", "http://localhost:3000")
    assert settings.rate_limit_per_minute == 600
    assert [str(n) for n in settings.trusted_proxies] == ["10.0.0.0/8", "2001:db8::/32"]


@pytest.mark.parametrize("case", [c for c, body in VALID.items() if "server" in body["spec"]])
def test_what_the_api_server_accepts_the_runtime_accepts(case: str) -> None:
    """Origins and networks in every form."""
    spec = VALID[case]["spec"]["server"]
    settings = understood(**spec)
    assert list(settings.cors_origins) == spec.get("cors", {}).get("allowOrigins", [])
    proxies = spec.get("rateLimit", {}).get("trustedProxies", [])
    assert len(settings.trusted_proxies) == len(proxies)
