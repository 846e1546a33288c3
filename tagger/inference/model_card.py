"""The model card: a README.md that says what a model does, how good it is, and what it was made from.

Mitchell et al. (2019), "Model Cards for Model Reporting"; the front matter is that of the Hugging Face Hub. What is not
known, such as a licence or a language, is left out: whoever publishes the model adds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tagger.config import Config
from tagger.manifests import shorten
from tagger.schemes import is_plain

README = "README.md"
_MAX_LABELS = 60  # labels that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class CardScores:
    """How good the model is.

    Attributes:
        split: what it was scored on: test, dev or train.
        metric: the main score by the Hub's name: accuracy or f1.
        value: the main score, in [0, 1]; None if undefined.
        table: the scores, each with its rule, as Markdown.
        warnings: what to know before the scores are believed.
    """

    split: str
    metric: str
    value: float | None
    table: str
    warnings: tuple[str, ...] = ()


def make_card(name: str, manifest: Mapping[str, Any], *, config: Config, scores: CardScores | None = None) -> str:
    """Writes the card.

    Args:
        name: what to call the model.
        manifest: what the model's manifest says of labels, versions, data, epoch and dev score; any may be missing.
        config: the resolved config.
        scores: how good it is; None: not known yet, but for the dev score.

    Returns:
        Markdown, the last line ended.
    """
    lines = ["---", _front_matter(name, manifest, config=config, scores=scores), "---", "", f"# {_plain(name)}", ""]
    lines += [_purpose(manifest, config), "", *_USE, "", "## Scores", ""]
    if scores is None:
        lines.append(_dev_score(manifest, config))
    else:
        lines += [f"On the {scores.split} split:", "", scores.table.strip()]
        lines += [f"\n**Warning:** {_plain(warning)}" for warning in scores.warnings]
    lines += ["", "They hold for text like that of this split; other text may be harder.", "", "## Data", ""]
    lines += _data(manifest) or ["Unknown."]
    lines += ["", "## How it was made", "", *_making(manifest, config), "", _NOTE]
    return "\n".join(lines) + "\n"


_USE = (
    "## Use",
    "",
    "```python",
    "import tagger",
    "",
    'predictor = tagger.load("this/folder")',
    'predictor.predict_text("The cat sleeps.")',
    'predictor.predict([["The", "cat", "sleeps", "."]])',
    "```",
    "",
    "Or, at a command line: `tagger predict this/folder text.txt`",
)
_NOTE = (
    "This page may be edited: `tagger` never reads it. The other files are held to the sizes and SHA-256 in "
    "`manifest.json`; loading them executes nothing."
)


def _front_matter(name: str, manifest: Mapping[str, Any], *, config: Config, scores: CardScores | None) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    task, data = "token-classification", config.data
    dataset = data.name if data.format == "hub" else None
    results = None
    if scores is not None and scores.value is not None:
        read = manifest.get("data", {}).get(scores.split, {})
        result = EvalResult(
            task_type=task,
            dataset_type=dataset or data.format,
            dataset_name=dataset or _file_name(read),
            dataset_split=scores.split,
            dataset_revision=read.get("commit"),
            metric_type=scores.metric,
            metric_value=round(scores.value, 6),
        )
        results = [result]
    card = ModelCardData(
        library_name="tagger",
        pipeline_tag=task,
        tags=["sequence-tagging", "lstm", *(["crf"] if config.model.head == "crf" else [])],
        datasets=[dataset] if dataset else None,
        model_name=name if results else None,
        eval_results=results,
    )
    return card.to_yaml().strip()


def _purpose(manifest: Mapping[str, Any], config: Config) -> str:
    labels = list(manifest.get("labels", ()))
    shown = ", ".join(_code(label) for label in labels[:_MAX_LABELS])
    more = f" and {len(labels) - _MAX_LABELS} more" if len(labels) > _MAX_LABELS else ""
    made = f"Made with `tagger` {manifest.get('versions', {}).get('tagger', 'of an unknown version')}."
    if is_plain(config.data.scheme):
        return f"Gives each token of a sentence one of {len(labels)} tags: {shown}{more}. {made}"
    return f"Marks spans of {len(labels)} kinds, spelled as {config.data.scheme} tags: {shown}{more}. {made}"


def _dev_score(manifest: Mapping[str, Any], config: Config) -> str:
    score, rule = manifest.get("dev_score"), "accuracy over tokens"
    if not is_plain(config.data.scheme):
        rule = "micro F1 of spans by conlleval's rule"
    if score is None:
        return "Not evaluated."
    return f"On the dev split, which its epoch was chosen by: {score:.2%} ({rule}). Not evaluated otherwise."


def _data(manifest: Mapping[str, Any]) -> list[str]:
    lines = []
    for split, read in manifest.get("data", {}).items():
        line = f"- {split}: {_code(_file_name(read))}"
        if "sentences" in read and "tokens" in read:
            line += f", {read['sentences']:,} sentences, {read['tokens']:,} tokens"
        line += "".join(f", {key} `{read[key]}`" for key in ("commit", "sha256") if read.get(key))
        lines.append(line)
    return lines


def _making(manifest: Mapping[str, Any], config: Config) -> list[str]:
    features, model = config.features, config.model
    parts = [f"words ({features.words.dim})"] if features.words.dim else []
    if features.characters.kind != "none":
        parts.append(f"characters ({features.characters.kind.upper()}, {features.characters.hidden_dim})")
    if features.affixes.dim:
        parts.append(f"hashed affixes ({features.affixes.dim} each)")
    lstm = "BiLSTM" if model.bidirectional else "LSTM"
    lines = [
        f"- features of a token: {', '.join(parts)}",
        f"- {lstm}: {model.num_layers} x {model.hidden_dim}; head: {model.head}",
        f"- seed {config.training.seed}; kept: epoch {manifest.get('epoch', 'unknown')}",
    ]
    if isinstance(fitted := manifest.get("temperature"), Mapping):
        missing = fitted.get("missing")
        lines.append(
            f"- temperature of its probabilities: {fitted.get('value')}, fitted on dev"
            if missing is None
            else f"- temperature of its probabilities: 1, not fitted: {_plain(missing)}"
        )
    versions = [f"{name} {number}" for name, number in manifest.get("versions", {}).items()]
    return [*lines, *([f"- versions: {', '.join(versions)}"] if versions else []), "- all settings: `config.yaml`"]


def _file_name(read: Mapping[str, Any]) -> str:
    """Of what was read, its name: where it lay is nobody's business; a dataset keeps its owner."""
    source = str(read.get("source", "unknown"))
    return source if "commit" in read else PurePath(source).name


def _code(text: str) -> str:
    return f"`{shorten(text).replace('`', chr(39))}`"


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#~$" else c for c in shorten(text))
