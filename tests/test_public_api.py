import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import tagger

NAMES = [
    "Config",
    "Prediction",
    "Predictor",
    "Report",
    "Sentence",
    "Span",
    "TaggerError",
    "__version__",
    "compare",
    "evaluate",
    "load",
    "load_config",
    "train",
]
HEAVY = ("torch", "datasets", "accelerate", "seqeval", "numpy")

IMPORTED = "import sys, json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
ALL_HELP = """\
from tagger.cli.main import VERBS, main
for words in [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)]:
    assert main(words) == 0, words
"""


def modules_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\n{IMPORTED}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def test_the_public_names_are_exactly_these() -> None:
    assert tagger.__all__ == NAMES
    assert dir(tagger) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_stays_the_same_object(name: str) -> None:
    found = getattr(tagger, name)
    assert found is getattr(tagger, name)
    assert name == "__version__" or found.__name__ == name
    assert name == "__version__" or found.__doc__


def test_star_import_brings_every_public_name() -> None:
    names: dict[str, Any] = {}
    exec("from tagger import *", names)
    assert set(NAMES) <= set(names)


def test_the_version_is_that_of_the_distribution() -> None:
    assert tagger.__version__ == version("tagger")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tagger' has no attribute 'lode'"):
        _ = tagger.lode


def test_importing_tagger_is_light() -> None:
    loaded = modules_after("import tagger")
    assert "tagger" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_help_of_every_verb_is_light() -> None:
    loaded = modules_after(ALL_HELP)
    assert "tagger.cli.main" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_predicting_imports_no_more_than_it_needs(pos_run: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("She left.\n", encoding="utf-8")
    words = ["predict", str(pos_run), str(text), "--output", "/dev/null", "--quiet"]
    loaded = modules_after(f"from tagger.cli.main import main\nassert main({words}) == 0")
    assert "tagger.inference.predictor" in loaded
    needless = ("datasets", "accelerate", "huggingface_hub", "jsonargparse", "torchtext", "pandas", "seqeval", "jinja2")
    assert loaded.isdisjoint([*needless, "rich", "tagger.training.run", "tagger.evaluation.counts"])


def test_importing_torch_leaves_collection_on_and_torch_out_of_it() -> None:
    code = "import gc\nfrom tagger.cli.common import import_torch\nimport_torch()\nassert gc.isenabled()"
    assert "torch" in modules_after(f"{code}\nassert gc.get_freeze_count() > 100_000")
    modules_after(f"import torch\n{code}\nassert gc.get_freeze_count() == 0")  # a program's own objects stay its own
    off = code.replace("import gc", "import gc; gc.disable()").replace("gc.isenabled()", "not gc.isenabled()")
    modules_after(off)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_importing_torch_says_how_long_threads_spin_unless_the_user_has(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code = "import os\nfrom tagger.cli.common import import_torch\nimport_torch()"
    modules_after(f"{code}\nassert str(os.environ.get('GOMP_SPINCOUNT')) == {expected!r}")
