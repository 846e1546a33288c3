"""evaluate(): the report equals counting by hand, and every kind of model is accepted."""

from dataclasses import replace
from pathlib import Path

import pytest

from tagger.data.conllu import read_conllu
from tagger.errors import DataError, MissingInputError
from tagger.inference.predictor import Predictor
from tagger.schemes import tags_to_spans
from tagger.sentence import Sentence
from tagger.training.evaluate import evaluate
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
        assert list(report.facts) == ["seed", "predicted tokens/s"]

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

    def test_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInputError, match="nowhere"):
            evaluate(tmp_path / "nowhere", [])
