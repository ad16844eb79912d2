"""`modelserver fetch` as the init container of a pod runs it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelserver_runtime.commands.exit_codes import EXIT_CODES
from runtime.archive_make import ARTIFACT, DIGEST, tar, with_flipped_byte
from runtime.artifact_server import answers, drips_headers, serving
from runtime.process import ROOT
from runtime.test_archives import contents


def run(*arguments: str, log: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment without a terminal."""
    more = {"MODELSERVER_TERMINATION_LOG": str(log)} if log else {}
    return subprocess.run(
        [sys.executable, "-m", "modelserver_runtime.commands", "fetch", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "server"), "NO_COLOR": "1"} | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    """Read what it logged."""
    return [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]


def test_it_fetches_and_says_how_far_it_is(tmp_path):
    """One line of JSON for each thing, for whoever reads the log of the pod."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "token").write_text("a-token-of-ours\n")
    log, into = tmp_path / "log", tmp_path / "volume" / "artifact"
    with serving(m_tar=tar()) as shelf:
        url = f"{shelf.url}/m.tar"
        options = (f"--digest={DIGEST}", f"--credentials={credentials}", "--max-bytes=1000000")
        done = run(url, str(into), *options, log=log)
        sent = [headers.get("authorization") for _, headers in shelf.asked]
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert contents(into) == ARTIFACT
    assert sent == ["Bearer a-token-of-ours"]
    assert [line["event"] for line in lines(done)] == ["fetched", "verified"]
    assert lines(done)[0]["bytes"] == lines(done)[0]["total"] == len(tar())
    assert "a-token-of-ours" not in done.stderr
    assert log.read_text() == ""


@pytest.mark.parametrize(
    ("content", "reason", "says"),
    [
        pytest.param(None, "FetchFailed", "it answers 404: there is nothing", id="nothing there"),
        pytest.param(b"<html>", "UnsafeArchive", "it is no archive", id="no archive"),
        pytest.param(bytes(2000), "SourceTooLarge", "and may have 1000", id="too large"),
        pytest.param(
            tar(with_flipped_byte("model.skops"), kind="gz"), "DigestMismatch", "sha256:", id="bit"
        ),
    ],
)
def test_its_last_words_are_one_sentence_with_a_reason(tmp_path, content, reason, says):
    """Where the kubelet finds them; nothing is left of what was fetched, and the code tells why."""
    log, into = tmp_path / "log", tmp_path / "volume" / "artifact"
    with serving(**({} if content is None else {"m_tar": content})) as shelf:
        limit = "--max-bytes=1000" if reason == "SourceTooLarge" else "--max-bytes=1000000"
        done = run(f"{shelf.url}/m.tar", str(into), f"--digest={DIGEST}", limit, log=log)
    told = json.loads(log.read_text())
    assert told["reason"] == reason
    assert says in told["message"]
    assert done.returncode not in (0, 1, 2)
    assert "Traceback" not in done.stderr
    assert not into.exists()


def test_what_hangs_before_the_first_byte_ends_in_time_too(tmp_path):
    """Headers that drip keep every timeout of a connection, and no deadline is looked at."""
    log, into = tmp_path / "log", tmp_path / "volume" / "artifact"
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [drips_headers]
        url, began = f"{shelf.url}/m.tar", time.monotonic()
        done = run(url, str(into), f"--digest={DIGEST}", "--timeout-seconds=1", log=log)
        seconds = time.monotonic() - began
    message = f"{url}: not fetched within 1 seconds"
    assert json.loads(log.read_text()) == {"reason": "FetchFailed", "message": message}
    assert message in done.stderr
    assert done.returncode == EXIT_CODES["FetchFailed"]
    assert seconds < 20
    assert not into.exists()


def test_every_attempt_is_in_the_log(tmp_path):
    """So that whoever looks sees that it is at work, and at what."""
    with serving(m_tar=tar()) as shelf:
        shelf.tricks["/m.tar"] = [answers(503)]
        done = run(f"{shelf.url}/m.tar", str(tmp_path / "a"), f"--digest={DIGEST}")
    assert [line["event"] for line in lines(done)] == ["trying again", "fetched", "verified"]
    assert lines(done)[0]["why"] == "it answers 503"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("ftp://example.com/m.tar", "neither http", id="another scheme"),
        pytest.param("models/m.tar", "neither http", id="a path"),
        pytest.param("s3://bucket", "neither http", id="a bucket without a key"),
        pytest.param("http://", "neither http", id="no host"),
        pytest.param("http://[::1/m.tar", "neither http", id="half a host"),
    ],
)
def test_what_is_no_source(tmp_path, source, says):
    """A setting that is wrong, as the operator knows it."""
    log = tmp_path / "log"
    done = run(source, str(tmp_path / "a"), f"--digest={DIGEST}", log=log)
    assert json.loads(log.read_text())["reason"] == "InvalidSetting"
    assert says in done.stderr
    assert done.returncode == 64


def test_credentials_that_are_not_there(tmp_path):
    """The folder is named, and nobody is asked."""
    log = tmp_path / "log"
    done = run(
        "http://127.0.0.1:1/m.tar",
        str(tmp_path / "a"),
        f"--digest={DIGEST}",
        f"--credentials={tmp_path}",
        log=log,
    )
    words = f"{tmp_path} has neither token nor username and password"
    assert json.loads(log.read_text()) == {"reason": "InvalidSetting", "message": words}
    assert done.returncode == 64


def test_a_digest_that_is_none(tmp_path):
    """Nothing can have it, so nothing is fetched."""
    with serving(m_tar=tar()) as shelf:
        done = run(f"{shelf.url}/m.tar", str(tmp_path / "a"), "--digest=latest")
        assert shelf.asked == []
    assert done.returncode == 64
    assert "sha256:" in done.stderr
