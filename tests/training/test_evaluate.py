"""evaluate(): the report equals counting by hand, and every kind of model is accepted."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.config import DataConfig
from tagger.data.conllu import read_conllu
from tagger.errors import ConfigError, DataError, MissingInputError
from tagger.evaluation.report import OwnTags
from tagger.inference.model_folder import load_model
from tagger.inference.predictor import Predictor
from tagger.schemes import tags_to_spans
from tagger.sentence import Prediction, Sentence
from tagger.training.caveats import ON_TRAIN
from tagger.training.evaluate import evaluate, read_gold
from tests.conftest import SAMPLE


def read_test_split(tags: str, scheme: str) -> list[Sentence]:
    return list(read_conllu(SAMPLE / "test.conllu", tags=tags, scheme=scheme))


class TestEvaluate:
    def test_plain_tags_by_hand(self, pos_predictor: Predictor) -> None:
        gold = read_test_split("UPOS", "plain")
        report = evaluate(pos_predictor, gold, title="T", split="S", facts={"seed": 7})
        predictions = pos_predictor.predict([sentence.tokens for sentence in gold])
        pairs = [
            (ours, theirs)
            for sentence, prediction in zip(gold, predictions, strict=True)
            for ours, theirs in zip(sentence.tags or (), prediction.tags, strict=True)
        ]
        right = sum(ours == theirs for ours, theirs in pairs)
        assert report.scores.main == right / len(pairs) > 0.3
        assert (report.title, report.split, report.scheme) == ("T", "S", "plain")
        assert (report.num_sentences, report.num_tokens) == (len(gold), len(pairs))
        assert list(report.facts) == ["seed", "device", "head", "predicted tokens/s"]
        assert (report.facts["device"], report.facts["head"]) == ("cpu, 1 thread", "softmax")

    def test_spans_by_hand(self, ner_predictor: Predictor) -> None:
        gold = read_test_split("NER", "BIO")
        report = evaluate(ner_predictor, gold)
        predictions = ner_predictor.predict([sentence.tokens for sentence in gold])
        ours = {(n, *span.key) for n, each in enumerate(gold) for span in tags_to_spans(each.tags or (), "BIO")}
        theirs = {(n, *span.key) for n, each in enumerate(predictions) for span in each.spans}
        assert ours & theirs  # the tiny model finds some, so that the score says something
        assert report.scores.main == pytest.approx(2 * len(ours & theirs) / (len(ours) + len(theirs)))
        assert report.seqeval is not None
        assert report.seqeval[2] == pytest.approx(report.scores.main)

    def test_known_words_are_those_of_train(self, pos_predictor: Predictor) -> None:
        sentence = Sentence(tokens=("the", "THE", "xyzzy"), tags=("DET", "DET", "NOUN"))
        scores = evaluate(pos_predictor, [sentence]).scores
        assert (scores.known_words.total, scores.unknown_words.total) == (2, 1)  # type: ignore[union-attr]

    @pytest.mark.parametrize("inside", ["", "model"])
    def test_accepts_run_folders_and_model_folders(self, pos_run: Path, pos_predictor: Predictor, inside: str) -> None:
        gold = read_test_split("UPOS", "plain")[:5]
        expected = evaluate(pos_predictor, gold).scores
        assert evaluate(pos_run / inside, gold).scores == expected
        assert evaluate(str(pos_run / inside), gold).scores == expected

    def test_empty_sentences_are_counted(self, pos_predictor: Predictor) -> None:
        gold = [Sentence(tokens=(), tags=()), Sentence(tokens=("Yes",), tags=("INTJ",))]
        report = evaluate(pos_predictor, gold)
        assert (report.num_sentences, report.num_tokens) == (2, 1)

    def test_sentence_without_tags(self, pos_predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: Predictor, sentences: object) -> None:
            raise AssertionError("tagged before it was checked")

        monkeypatch.setattr(Predictor, "predict", refuse)
        tagged = Sentence(tokens=("a",), tags=("DET",))
        bare = replace(tagged, tags=None)
        with pytest.raises(DataError, match=r"^sentence 2: no tags to score$"):
            evaluate(pos_predictor, [tagged, bare])
        with pytest.raises(DataError, match=r"^file:7: no tags"):
            evaluate(pos_predictor, [replace(bare, source="file:7")])

    def test_illegal_transitions_before_respelling_are_reported(
        self, ner_predictor: Predictor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert evaluate(ner_predictor, read_test_split("NER", "BIO")).own_tags == OwnTags(
            encoding="BIOES", num_illegal=0
        )
        illegal = Prediction(tokens=("a",), tags=("O",), spans=(), confidence=(1.0,), num_illegal=2)
        monkeypatch.setattr(Predictor, "predict", lambda *_: [illegal])
        report = evaluate(ner_predictor, [Sentence(tokens=("a",), tags=("O",))])
        assert report.own_tags == OwnTags(encoding="BIOES", num_illegal=2)

    def test_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInputError, match="nowhere"):
            evaluate(tmp_path / "nowhere", [])
        with pytest.raises(TypeError, match=r"^evaluate takes a Predictor or a model's folder, got dict$"):
            evaluate({}, [])  # type: ignore[arg-type]

    def test_what_is_no_sentence(self, pos_predictor: Predictor) -> None:
        with pytest.raises(TypeError, match=r"^sentence 1: expected a tagger\.Sentence, got list$"):
            evaluate(pos_predictor, [["a", "b"]])  # type: ignore[list-item]


class TestFiles:
    @pytest.mark.parametrize("inside", ["", "model"])
    def test_a_file_is_read_as_the_training_data_were(self, ner_run: Path, inside: str) -> None:
        path = SAMPLE / "test.conllu"
        report = evaluate(str(ner_run / inside), str(path))
        assert report.scores == evaluate(ner_run, read_test_split("NER", "BIO")).scores
        assert (report.title, report.split, report.warnings) == ("ner on test.conllu", "test", ())
        assert list(report.facts) == ["model", "data", "data sha256", "device", "head", "predicted tokens/s"]
        assert report.facts["model"] == str(ner_run / inside)
        assert report.facts["data"] == str(path)
        assert report.facts["data sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert report.facts["head"] == "crf"

    def test_what_is_said_by_the_caller_wins(self, pos_run: Path) -> None:
        report = evaluate(
            pos_run, SAMPLE / "dev.conllu", title="T", split="S", facts={"device": "mine"}, warnings=["w"]
        )
        assert (report.title, report.split, report.facts["device"], report.warnings) == ("T", "S", "mine", ("w",))

    def test_the_training_data_are_known_again(self, pos_run: Path, tmp_path: Path) -> None:
        """By what they hold, whatever the file is called."""
        path = tmp_path / "new.conllu"
        shutil.copy(SAMPLE / "train.conllu", path)
        assert evaluate(pos_run, path).warnings == (ON_TRAIN,)
        assert evaluate(pos_run, SAMPLE / "dev.conllu").warnings == ()

    def test_a_predictor_cannot_know_how_to_read_it(self, pos_predictor: Predictor) -> None:
        with pytest.raises(TypeError, match=r"give the model's folder .* tagger\.evaluate\('.*', 'test\.conllu'\)"):
            evaluate(pos_predictor, "test.conllu")

    def test_files_that_cannot_be_scored(self, pos_run: Path, tmp_path: Path) -> None:
        (tmp_path / "empty.conllu").write_text("\n")
        with pytest.raises(DataError, match=r"empty\.conllu: holds no sentence"):
            evaluate(pos_run, tmp_path / "empty.conllu")
        with pytest.raises(MissingInputError, match="nowhere"):
            evaluate(pos_run, tmp_path / "nowhere")

    def test_a_model_of_a_hub_dataset_knows_no_files(self, pos_run: Path) -> None:
        saved = load_model(pos_run)
        hub = DataConfig(format="hub", name="owner/name")
        with pytest.raises(ConfigError, match=r"^x: the model was trained on a Hub dataset"):
            read_gold(Path("x"), hub, saved=saved, model=pos_run)

    def test_another_scheme_is_respelled(self, ner_run: Path, tmp_path: Path) -> None:
        path = tmp_path / "gold.conll"
        path.write_text("Anna\tB-PER\nLee\tE-PER\n.\tO\n\n")
        gold = read_gold(path, DataConfig(scheme="BIOES"), saved=load_model(ner_run), model=ner_run)
        assert [sentence.tags for sentence in gold.sentences] == [("B-PER", "I-PER", "O")]
