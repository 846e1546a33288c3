"""Model cards: front matter that the Hub reads, the scores of the report, nothing that is not known."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from tagger.config import Config, DataConfig, ModelConfig
from tagger.errors import ModelError, OutputError
from tagger.evaluation.report import Report
from tagger.inference.model_card import CardScores, make_card
from tagger.inference.model_folder import add_scores, load_model
from tagger.training.card import scores_of

CONFIG = Config(data=DataConfig(train="/secret/place/train.conllu", format="conllu"))
MANIFEST: dict[str, Any] = {
    "labels": ["NOUN", "a`b", "c\nd"],
    "versions": {"tagger": "0.1.0", "torch": "2.13.0"},
    "epoch": 3,
    "dev_score": 0.754321,
    "data": {
        "train": {"source": "/secret/place/train.conllu", "sentences": 1677, "tokens": 29_327, "sha256": "ab12"},
        "test": {"source": "/secret/place/test.conllu", "sentences": 7, "tokens": 9, "sha256": "cd34"},
    },
}
SCORES = CardScores(
    split="test", metric="accuracy", value=2 / 3, table="| score |\n| --- |\n| 66.67 |\n", warnings=("x*",)
)


def card_of(run: Path) -> ModelCard:
    return ModelCard((run / "model" / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("run", "metric"), [("pos_run", "accuracy"), ("ner_run", "f1")])
def test_of_a_run_holds_the_scores_of_its_report(run: str, metric: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(run)
    report = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
    card = card_of(folder)
    (result,) = card.data.eval_results
    assert report.scores.main is not None
    assert (result.metric_type, result.metric_value) == (metric, round(report.scores.main, 6))
    assert (result.dataset_name, result.dataset_split, result.task_type) == (
        "test.conllu",
        "test",
        "token-classification",
    )
    assert (card.data.library_name, card.data.model_name) == ("tagger", folder.name)
    assert f"| {report.scores.main_name} | {report.scores.main:.2%}".replace("%", "") in card.text
    assert all(f"`{label}`" in card.text for label in load_model(folder).manifest["labels"])
    assert str(folder.parent) not in card.content


def test_without_scores_it_says_what_is_known() -> None:
    card = ModelCard(make_card("m", MANIFEST, config=CONFIG))
    assert card.data.eval_results is None
    assert "75.43% (accuracy over tokens). Not evaluated otherwise." in card.text
    spans = replace(CONFIG, data=replace(CONFIG.data, scheme="BIO"), model=ModelConfig(head="crf"))
    assert "75.43% (micro F1 of spans by conlleval's rule)" in make_card("m", MANIFEST, config=spans)
    assert "Not evaluated." in make_card("m", {}, config=CONFIG)
    assert "Unknown." in make_card("m", {}, config=CONFIG)


def test_tells_no_secrets_and_breaks_no_markup() -> None:
    text = make_card("my_*model*", MANIFEST, config=CONFIG, scores=SCORES)
    assert "secret" not in text
    assert "- train: `train.conllu`, 1,677 sentences, 29,327 tokens, sha256 `ab12`" in text
    assert "`NOUN`, `a'b`, `c\\x0ad`" in text
    html = MarkdownIt("commonmark").enable("table").render(ModelCard(text).text)
    assert "<h1>my_*model*</h1>" in html
    assert "<strong>Warning:</strong> x*" in html
    assert "<td>66.67</td>" in html
    for unknown in ("license", "language", "None"):
        assert unknown not in text


def test_of_a_hub_dataset() -> None:
    config = replace(CONFIG, data=DataConfig(format="hub", name="owner/set"))
    read = {"source": "owner/set", "commit": "c0ffee", "sentences": 1, "tokens": 2}
    card = ModelCard(make_card("m", {**MANIFEST, "data": {"test": read}}, config=config, scores=SCORES))
    (result,) = card.data.eval_results
    assert card.data.datasets == ["owner/set"]
    assert (result.dataset_type, result.dataset_name, result.dataset_revision) == ("owner/set", "owner/set", "c0ffee")
    assert "- test: `owner/set`, 1 sentences, 2 tokens, commit `c0ffee`" in card.text


def test_many_labels_are_cut() -> None:
    text = make_card("m", {"labels": [f"L{number}" for number in range(100)]}, config=CONFIG)
    assert "one of 100 tags: " in text
    assert "`L59` and 40 more." in text


class TestAddScores:
    def test_leaves_the_model_as_it_was(self, pos_run: Path, tmp_path: Path) -> None:
        model = tmp_path / "run" / "model"
        shutil.copytree(pos_run / "model", model)
        (model / "README.md").write_text("older")
        add_scores(model, replace(SCORES, value=0.125))
        assert ModelCard((model / "README.md").read_text(encoding="utf-8")).data.eval_results[0].metric_value == 0.125
        assert load_model(model).manifest == load_model(pos_run).manifest
        assert len(list(model.iterdir())) == 5

    def test_a_full_disk_keeps_the_older_card(
        self, pos_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(pos_run / "model", tmp_path, dirs_exist_ok=True)

        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OutputError, match=r"README\.md: cannot be written: No space left"):
            add_scores(tmp_path, SCORES)
        assert (tmp_path / "README.md").read_bytes() == (pos_run / "model" / "README.md").read_bytes()

    def test_of_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"manifest\.json: cannot be read"):
            add_scores(tmp_path, SCORES)


def test_the_table_is_that_of_the_report(ner_run: Path) -> None:
    text = (ner_run / "report.md").read_text(encoding="utf-8")
    report = Report.from_json((ner_run / "report.json").read_text(encoding="utf-8"))
    table = scores_of(report).table.strip()
    assert table in text
    assert table.startswith("| score | value |")
