"""Predictions that are killed at random times and gone on with: the file of the unbroken run."""

import json
import time
from pathlib import Path
from random import Random

import pytest

from tests.predicting import SOURCES, finish, make_texts, start, wait_for_more, write_input

NUM_TEXTS = 8000


@pytest.mark.faults
@pytest.mark.parametrize("to", ["conll", "jsonl"])
@pytest.mark.parametrize("kind", SOURCES)
def test_kills(kind: str, to: str, ner_run: Path, tmp_path: Path) -> None:
    chance = Random(f"{kind} {to}")
    source = write_input(tmp_path, kind, make_texts(count=NUM_TEXTS))
    words = ("predict", ner_run, source, "--from", kind.partition(".")[0], "--to", to, "--threads", "1", "--output")
    assert finish(start(*words, tmp_path / "whole"))[0] == 0
    target = tmp_path / "out" / "tagged"
    target.parent.mkdir()
    record = tmp_path / "out" / "tagged.partial.json"
    codes = []
    for _ in range(4):
        before = json.loads(record.read_bytes())["texts"] if record.exists() else 0
        process = start(*words, target, "--resume")
        wait_for_more(record, process, before)
        time.sleep(chance.uniform(0.0, 0.1))
        process.kill()
        codes.append(finish(process)[0])
    assert set(codes) <= {0, -9}
    assert codes[-1] == 0 or finish(start(*words, target, "--resume"))[0] == 0
    assert target.read_bytes() == (tmp_path / "whole").read_bytes()
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    print(f"{kind} to {to}: killed {codes.count(-9)} times")
    assert -9 in codes
