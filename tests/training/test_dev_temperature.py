"""The temperature that is fitted on dev: stored with the model, shown in reports, and why there is none."""

import json
import shutil
from pathlib import Path

import pytest

import tagger.training.run as run_module
from tagger.config import Config
from tagger.data.arrow import ArrowSentences
from tagger.data.conllu import read_conllu
from tagger.errors import OutputError
from tagger.evaluation.html import render_html
from tagger.evaluation.render import render_markdown, render_text
from tagger.evaluation.report import Report
from tagger.inference.loading import load
from tagger.inference.model_folder import load_model
from tagger.inference.predictor import Predictor
from tagger.model.temperature import Fit
from tagger.sentence import Sentence
from tagger.training import dev_temperature
from tagger.training.dev_temperature import fit_on_dev
from tagger.training.evaluate import evaluate
from tagger.training.run import train
from tests.conftest import SAMPLE, change

RUNS = {"pos_run": ("UPOS", "plain"), "ner_run": ("NER", "BIO")}


def read_dev(run: str) -> ArrowSentences:
    tags, scheme = RUNS[run]
    return ArrowSentences(read_conllu(SAMPLE / "dev.conllu", tags=tags, scheme=scheme))


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> tuple[str, Path]:
    return request.param, request.getfixturevalue(request.param)


class TestFit:
    def test_is_what_the_run_has_stored(self, run: tuple[str, Path]) -> None:
        name, folder = run
        saved = load_model(folder)
        fit = fit_on_dev(load(folder, device="cpu"), read_dev(name))
        assert fit.missing is None
        assert fit.value == saved.temperature != 1
        assert saved.manifest["temperature"] == {"value": fit.value, "missing": None}

    def test_no_dev(self, pos_predictor: Predictor) -> None:
        assert fit_on_dev(pos_predictor, ArrowSentences()) == Fit(missing="there is no dev split")
        empty = ArrowSentences([Sentence(tokens=(), tags=())])
        assert fit_on_dev(pos_predictor, empty) == Fit(missing="there is no dev split")

    def test_tags_that_train_lacks(self, ner_predictor: Predictor) -> None:
        odd = Sentence(tokens=("a", "b"), tags=("B-XYZ", "O"))
        assert (
            fit_on_dev(ner_predictor, ArrowSentences([odd])).missing
            == "every sentence of dev has a tag that train lacks"
        )
        dev = read_dev("ner_run")
        assert fit_on_dev(ner_predictor, ArrowSentences([odd, *dev, odd])) == fit_on_dev(ner_predictor, dev)

    def test_of_a_large_dev_some_sentences(self, pos_predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        dev = read_dev("pos_run")
        num_scores = len(dev.tokens.codes) * len(pos_predictor.vocabulary.tags)
        expected = fit_on_dev(pos_predictor, ArrowSentences(dev[::2]))
        monkeypatch.setattr(dev_temperature, "MAX_SCORES", num_scores // 2 + 1)
        assert fit_on_dev(pos_predictor, dev) == expected != fit_on_dev(pos_predictor, ArrowSentences(dev[1::2]))


class TestReport:
    def test_before_and_after(self, run: tuple[str, Path]) -> None:
        name, folder = run
        tags, scheme = RUNS[name]
        stored = Report.from_json((folder / "report.json").read_text())
        gold = list(read_conllu(SAMPLE / "test.conllu", tags=tags, scheme=scheme))
        again = evaluate(load(folder, device="cpu"), gold)
        own = evaluate(load(folder, device="cpu").at_temperature(1.0), gold)
        assert stored.temperature is not None
        assert stored.temperature == again.temperature
        assert (stored.temperature.value, stored.temperature.fitted_on) == (load_model(folder).temperature, "dev")
        assert stored.temperature.before == own.calibration
        assert stored.calibration == again.calibration != own.calibration
        assert (own.scores, own.temperature) == (stored.scores, None)
        assert "temperature" not in stored.facts

    def test_is_shown(self, run: tuple[str, Path]) -> None:
        report = Report.from_json((run[1] / "report.json").read_text())
        fitted = report.temperature
        assert fitted is not None
        for text in (render_text(report), render_markdown(report)):
            assert "without temperature" in text
            assert f"a temperature of {fitted.value:.4g}, fitted on dev" in text
            for each in (*report.calibration, *fitted.before):
                assert each.expected_error is None or f"{100 * each.expected_error:.2f}" in text
        assert "without temperature" in render_html(report)
        assert f"temperature of its probabilities: {fitted.value}, fitted on dev" in (
            (run[1] / "model" / "README.md").read_text()
        )


class TestRun:
    def test_without_dev_the_report_says_why(self, tiny_config: Config, tmp_path: Path) -> None:
        report = train(change(tiny_config, {"data.dev": None}), tmp_path / "run")
        saved = load_model(tmp_path / "run")
        assert (saved.temperature, report.temperature) == (1.0, None)
        assert report.facts["temperature"] == "1, not fitted: there is no dev split"
        assert "no temperature was fitted" in render_markdown(report)
        later = evaluate(tmp_path / "run", SAMPLE / "test.conllu")
        assert later.facts["temperature"] == report.facts["temperature"]

    def test_a_run_killed_before_it_is_stored(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train(tiny_config, tmp_path / "whole")

        def fail(*_: object) -> Fit:
            raise OutputError("broken off")

        with monkeypatch.context() as patch:
            patch.setattr(run_module, "fit_on_dev", fail)
            with pytest.raises(OutputError):
                train(tiny_config, tmp_path / "run")
        assert load_model(tmp_path / "run").temperature == 1.0
        shutil.rmtree(tmp_path / "run" / "model", ignore_errors=True)
        train(tiny_config, tmp_path / "run", resume=True)
        manifests = [(tmp_path / name / "model" / "manifest.json").read_text() for name in ("whole", "run")]
        assert manifests[0] == manifests[1]
        assert json.loads(manifests[0])["temperature"]["missing"] is None
