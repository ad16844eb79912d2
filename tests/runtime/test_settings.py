"""Settings are read once, and what cannot be meant is refused."""

import json
from pathlib import Path

import pytest

from modelserver_runtime.errors import SettingError
from modelserver_runtime.settings import from_environment
from runtime.process import running


def test_short_names_mean_the_same() -> None:
    """MODEL_PATH, API_PORT and LOG_LEVEL, weaker than the full names."""
    short = {"MODEL_PATH": "/m", "API_PORT": "9000", "LOG_LEVEL": "debug"}
    settings = from_environment(short)
    assert (settings.model_path, settings.port, settings.log_level) == (Path("/m"), 9000, "DEBUG")
    assert from_environment(short | {"MODELSERVER_PORT": "9001"}).port == 9001


def test_lists_are_comma_separated() -> None:
    """Spaces around the commas do not matter."""
    settings = from_environment({"MODELSERVER_MODEL_FORMATS": "joblib, skops"})
    assert settings.model_formats == ("joblib", "skops")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param(
            {"MODELSERVER_MODLE_PATH": "/m"}, "MODELSERVER_MODEL_PATH", id="the nearest name"
        ),
        pytest.param(
            {"API_PORT": "tcp://10.0.0.1:80"}, "enableServiceLinks: false", id="service link"
        ),
        pytest.param({"MODELSERVER_PORT": "http"}, "MODELSERVER_PORT", id="not a number"),
        pytest.param({"MODELSERVER_PORT": "70000"}, "MODELSERVER_PORT", id="out of range"),
        pytest.param({"MODELSERVER_MODEL_DIGEST": "abc"}, "MODELSERVER_MODEL_DIGEST", id="digest"),
        pytest.param(
            {"MODELSERVER_CORS_ORIGINS": "*"}, "MODELSERVER_CORS_ORIGINS", id="any origin"
        ),
        pytest.param(
            {"MODELSERVER_TLS_CERT_FILE": "/tls.crt"}, "set both or neither", id="half of TLS"
        ),
        pytest.param(
            {"MODELSERVER_METRICS_PORT": "8000"}, "leave it out", id="the same port twice"
        ),
        pytest.param(
            {"MODELSERVER_MAX_BODY_BYTES": "100000000"},
            "raise the first or lower the second",
            id="bodies that never fit",
        ),
    ],
)
def test_a_setting_nobody_can_mean_is_refused(environ: dict[str, str], message: str) -> None:
    """The message names the setting or what to do."""
    with pytest.raises(SettingError, match=message):
        from_environment(environ)


def test_variables_of_a_service_link_are_no_settings() -> None:
    """A Service called modelserver-x puts these into every pod beside it."""
    links = {
        "MODELSERVER_X_SERVICE_HOST": "10.0.0.1",
        "MODELSERVER_X_SERVICE_PORT": "80",
        "MODELSERVER_X_SERVICE_PORT_HTTP": "80",
        "MODELSERVER_X_PORT": "tcp://10.0.0.1:80",
        "MODELSERVER_X_PORT_80_TCP": "tcp://10.0.0.1:80",
        "MODELSERVER_X_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert from_environment(links) == from_environment({})
    with pytest.raises(SettingError, match="MODELSERVER_Y_PORT"):
        from_environment({"MODELSERVER_Y_PORT": "80"})


def test_an_unknown_setting_ends_the_process_with_64() -> None:
    """On stderr, one line of JSON."""
    with running(modle_path="/m") as process:
        assert process.wait() == 64
        assert process.events()[0]["reason"] == "InvalidSetting"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"modle_path": "/m"}, id="an unknown name"),
        pytest.param({"port": "9" * 8000}, id="an endless value"),
        pytest.param({"auth_tokens_file": "/nowhere"}, id="a file that is not there"),
    ],
)
def test_the_reason_is_the_termination_message(tmp_path: Path, settings: dict[str, str]) -> None:
    """Whole, as the operator reads it, and no longer than what the kubelet keeps."""
    log = tmp_path / "termination-log"
    with running(termination_log=str(log), **settings) as process:
        assert process.wait() == 64
    assert json.loads(log.read_text())["reason"] == "InvalidSetting"
    assert log.stat().st_size <= 4096
