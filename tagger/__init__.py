"""A toolkit for sequence tagging: parts of speech, named entities, chunks, slots.

    import tagger

    predictor = tagger.load("runs/pos")
    predictor.predict([["The", "cat", "sleeps", "."]])
    predictor.predict_text("The cat sleeps.")

The public names are resolved when they are first asked for (PEP 562), so that `import tagger` stays light.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tagger.config import Config
    from tagger.config_file import load_config
    from tagger.errors import TaggerError
    from tagger.evaluation.report import Report
    from tagger.inference.loading import load
    from tagger.inference.predictor import Predictor
    from tagger.sentence import Prediction, Sentence, Span
    from tagger.training.compare import compare
    from tagger.training.evaluate import evaluate
    from tagger.training.run import train

__all__ = [
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

_HOMES = {
    "Config": "tagger.config",
    "Prediction": "tagger.sentence",
    "Predictor": "tagger.inference.predictor",
    "Report": "tagger.evaluation.report",
    "Sentence": "tagger.sentence",
    "Span": "tagger.sentence",
    "TaggerError": "tagger.errors",
    "compare": "tagger.training.compare",
    "evaluate": "tagger.training.evaluate",
    "load": "tagger.inference.loading",
    "load_config": "tagger.config_file",
    "train": "tagger.training.run",
}

__version__: str = _version("tagger")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tagger' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
