"""What the operator can be told: options, their environment, and what it says of both."""

import pytest

from modelserver_operator.settings import parse


def test_nothing_needs_to_be_said():
    """Every option has a default that works on a desk."""
    settings = parse([], {})
    assert (settings.namespaces, settings.port, settings.log_format) == ((), 8080, "json")
    assert settings.identity


def test_an_option_is_stronger_than_the_environment():
    """What was typed last is what was meant."""
    environment = {"MODELSERVER_OPERATOR_PORT": "9000", "MODELSERVER_OPERATOR_LOG_LEVEL": "DEBUG"}
    settings = parse(["--port", "9001"], environment)
    assert (settings.port, settings.log_level) == (9001, "DEBUG")


def test_namespaces_are_a_list():
    """Two commas in a row, as a template may leave them, are no namespace."""
    assert parse(["--watch-namespaces", "a,,b"], {}).namespaces == ("a", "b")


def test_help_names_every_option_and_the_environment(capsys):
    """Whoever asks is told what there is, and the default."""
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in ("--runtime-image", "--watch-namespaces", "--lease-namespace", "--identity"):
        assert option in text
    assert "MODELSERVER_OPERATOR_PORT" in text
    assert "default: 8080" in text


@pytest.mark.parametrize(
    ("argv", "environment"),
    [
        pytest.param(["--log-format", "xml"], {}, id="an option"),
        pytest.param([], {"MODELSERVER_OPERATOR_LOG_FORMAT": "xml"}, id="the environment"),
        pytest.param(["--max-requests-per-second", "0"], {}, id="no requests at all"),
        pytest.param(["--backoff-scale", "inf"], {}, id="never again"),
        pytest.param([], {"MODELSERVER_OPERATOR_PORT": "http"}, id="a port that is no number"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_do(argv, environment, capsys):
    """At the start, wherever it was said; not by a surprise later."""
    with pytest.raises(SystemExit) as ended:
        parse(argv, environment)
    assert ended.value.code == 2
    assert "invalid" in capsys.readouterr().err
