"""Five hundred damaged or foreign model folders: five hundred errors of one line, and nothing executed."""

import resource
import shutil
from pathlib import Path

import pytest

from tagger.inference.model_folder import load_model
from tests.inference.damage import DAMAGES, assert_refused

NUM_FOLDERS = 500


@pytest.mark.faults
def test_damaged_or_foreign(ner_run: Path, tmp_path: Path) -> None:
    load_model(ner_run)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    names = list(DAMAGES)
    refused = 0
    for number in range(NUM_FOLDERS):
        folder = tmp_path / str(number)
        model, name = folder / "model", names[number % len(names)]
        shutil.copytree(ner_run / "model", model)
        assert_refused(model, DAMAGES[name], seed=f"{number} {name}", canary=folder / "canary")
        refused += 1
        shutil.rmtree(folder)
    assert refused == NUM_FOLDERS
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{refused} damaged or foreign folders refused in one line each; memory grew by {grown:.0f} MiB")
    assert grown < 256
