"""The part of the tutorial that needs no cluster."""

import json
import os
from pathlib import Path

import pytest

import tutorial
from runtime.programs import free_port

WITHOUT_A_CLUSTER = range(1, 5)


def test_train_pack_verify_and_serve(tmp_path: Path) -> None:
    """Every block, in its order; the answer is the one that the tutorial shows."""
    chosen = [block for block in tutorial.blocks() if block.section in WITHOUT_A_CLUSTER]
    printed = tutorial.run(chosen, tmp_path, os.environ, {8080: free_port()})
    [shown] = [json.loads(block.code) for block in chosen if block.language == "json"]
    [answer] = tutorial.answers(chosen, printed)
    assert answer["prediction"] == shown["prediction"]
    assert answer["probability"] == pytest.approx(shown["probability"], abs=0.0005)
    assert answer["confidence"] == pytest.approx(shown["confidence"], abs=0.0005)
    assert answer.keys() == shown.keys()
