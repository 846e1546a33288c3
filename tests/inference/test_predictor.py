"""The Predictor: order kept, company without effect, any string taken, what is no sentence refused by name."""

import copy
import json
import math
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tagger.inference.predictor as predictor_module
from tagger.config import Config
from tagger.data.conllu import read_conllu
from tagger.errors import ConfigError, DataError
from tagger.evaluation.report import Report
from tagger.inference import inputs
from tagger.inference.device import Precision, has_bf16, pick_device
from tagger.inference.loading import load, predictor_of
from tagger.inference.model_folder import load_model
from tagger.inference.predictor import WINDOW, Predictor
from tagger.schemes import illegal_transitions, tags_of_types, tags_to_spans
from tagger.sentence import Prediction
from tagger.training.run import train
from tests.conftest import SAMPLE, change

DEV = [sentence.tokens for sentence in read_conllu(SAMPLE / "dev.conllu", tags=None)]
BOTH = pytest.mark.parametrize("which", ["pos_predictor", "ner_predictor"])
ODD = [
    "",
    " ",
    "\n",
    "\t",
    "\0",
    "\u200b",
    "\ufeff",
    "\U0001f469\u200d\U0001f680",
    "\ud800",
    "日本語",
    "x" * 50_000,
    "İ",
]


@pytest.fixture
def predictor(which: str, request: pytest.FixtureRequest) -> Predictor:
    found = request.getfixturevalue(which)
    assert isinstance(found, Predictor)
    return found


def same(one: Prediction, other: Prediction) -> bool:
    """Whether two predictions agree: tags exactly, confidences up to the last bits."""
    return (one.tokens, one.tags, [span.key for span in one.spans]) == (
        other.tokens,
        other.tags,
        [span.key for span in other.spans],
    ) and one.confidence == pytest.approx(other.confidence, abs=1e-5)


@BOTH
class TestPrecision:
    @pytest.mark.parametrize("precision", ["bf16", "int8"])
    def test_a_coarser_one_changes_few_tags(
        self, predictor: Predictor, which: str, precision: Precision, request: pytest.FixtureRequest
    ) -> None:
        saved = load_model(request.getfixturevalue(which.replace("predictor", "run")))
        coarse = predictor_of(saved, device=predictor.device, precision=precision)
        pairs = [
            (one, other, sure)
            for exact, rough in zip(predictor.predict(DEV), coarse.predict(DEV), strict=True)
            for one, other, sure in zip(exact.tags, rough.tags, rough.confidence, strict=True)
        ]
        assert all(0 < sure <= 1 for *_, sure in pairs)
        assert sum(one != other for one, other, _ in pairs) <= len(pairs) / 100
        assert coarse.predict(DEV) != predictor.predict(DEV)  # it is computed otherwise indeed

    def test_in_int8_tags_do_not_depend_on_company(
        self, predictor: Predictor, which: str, request: pytest.FixtureRequest
    ) -> None:
        saved = load_model(request.getfixturevalue(which.replace("predictor", "run")))
        coarse = predictor_of(saved, device=predictor.device, precision="int8")
        together = coarse.predict(DEV)
        assert all(same(coarse.predict([tokens])[0], found) for tokens, found in zip(DEV, together, strict=True))

    def test_it_goes_where_the_predictor_goes(self, predictor: Predictor) -> None:
        coarse = Predictor(
            predictor.network,
            predictor.vocabulary,
            scheme=predictor.scheme,
            encoding=predictor.encoding,
            device=predictor.device,
            precision="bf16",
        )
        assert pickle.loads(pickle.dumps(coarse)).precision == "bf16"
        assert coarse.at_temperature(2.0).precision == "bf16"

    def test_another_is_refused(self, which: str, request: pytest.FixtureRequest) -> None:
        with pytest.raises(ConfigError, match=r"^precision: expected one of auto, fp32, bf16, int8, got 'fp16'$"):
            load(request.getfixturevalue(which.replace("predictor", "run")), precision="fp16")

    def test_int8_is_not_for_projections(self, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(predictor.network.encoder, "reads_products", lambda _: False)
        with pytest.raises(ConfigError, match=r"^precision: int8 is for CPUs, and for an LSTM without projections"):
            Predictor(
                predictor.network,
                predictor.vocabulary,
                scheme=predictor.scheme,
                encoding=predictor.encoding,
                device=predictor.device,
                precision="int8",
            )

    def test_auto_is_what_the_hardware_has(self, which: str, request: pytest.FixtureRequest) -> None:
        found = load(request.getfixturevalue(which.replace("predictor", "run")), precision="auto")
        assert found.precision == ("bf16" if has_bf16(found.device) else "fp32")


@BOTH
class TestNumberOfThreads:
    @pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
    def test_changes_no_bit(
        self,
        predictor: Predictor,
        which: str,
        precision: Precision,
        request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(predictor_module, "BATCH_TOKENS", 200)
        saved = load_model(request.getfixturevalue(which.replace("predictor", "run")))
        before = torch.get_num_threads()
        answers = []
        try:
            for num_threads in (1, 2, 3, 16):
                torch.set_num_threads(num_threads)
                afresh = predictor_of(saved, device=predictor.device, precision=precision)
                answers.append([afresh.predict(DEV[:1]), afresh.predict(DEV)])
        finally:
            torch.set_num_threads(before)
        assert all(each == answers[0] for each in answers)


@BOTH
class TestPredict:
    def test_order_is_kept(self, predictor: Predictor) -> None:
        assert [prediction.tokens for prediction in predictor.predict(DEV)] == DEV

    def test_nothing(self, predictor: Predictor) -> None:
        assert predictor.predict([]) == []
        assert list(predictor.predict_stream(iter(()))) == []

    def test_empty_sentences_keep_their_place(self, predictor: Predictor) -> None:
        found = predictor.predict([[], ["a", "b"], (), [], ["c"], []])
        assert [len(prediction) for prediction in found] == [0, 2, 0, 0, 1, 0]
        empty = Prediction(tokens=(), tags=(), spans=(), confidence=())
        assert found[0] == found[2] == found[3] == found[5] == empty
        assert predictor.predict([[]]) == [empty]

    def test_one_tag_and_one_confidence_a_token(self, predictor: Predictor) -> None:
        for prediction in predictor.predict(DEV):
            assert len(prediction.tags) == len(prediction.confidence) == len(prediction.tokens)
            assert set(prediction.tags) <= set(predictor.tags)
            assert all(0 <= chance <= 1 for chance in prediction.confidence)
            assert (prediction.offsets, prediction.sentence_starts) == (None, (0,))

    def test_generators_and_any_sequence(self, predictor: Predictor) -> None:
        expected = predictor.predict(DEV[:6])
        assert predictor.predict(sentence for sentence in DEV[:6]) == expected
        assert predictor.predict(iter(sentence) for sentence in DEV[:6]) == expected  # type: ignore[misc]
        assert predictor.predict(tuple(map(list, DEV[:6]))) == expected

    def test_company_has_no_effect(self, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        together = predictor.predict(DEV)
        assert all(same(*pair) for pair in zip(together, (predictor.predict([s])[0] for s in DEV), strict=True))
        monkeypatch.setattr(predictor_module, "BATCH_TOKENS", 200)
        monkeypatch.setattr(predictor_module, "WINDOW", 17)
        order = list(range(len(DEV)))
        random.Random(1).shuffle(order)
        shuffled = predictor.predict(DEV[index] for index in order)
        assert all(same(shuffled[place], together[index]) for place, index in enumerate(order))

    def test_odd_tokens(self, predictor: Predictor) -> None:
        sentences = [ODD, *([token] for token in ODD), ["The", *ODD, "cat"]]
        found = predictor.predict(sentences)
        assert [list(prediction.tokens) for prediction in found] == sentences
        assert all(math.isfinite(chance) for prediction in found for chance in prediction.confidence)

    def test_a_very_long_sentence(self, predictor: Predictor) -> None:
        tokens = [DEV[0][index % len(DEV[0])] for index in range(5000)]
        found = predictor.predict([DEV[1], tokens, DEV[2]])
        assert [len(prediction) for prediction in found] == [len(DEV[1]), 5000, len(DEV[2])]
        assert same(found[0], predictor.predict([DEV[1]])[0])

    def test_network_in_training_mode(self, predictor: Predictor) -> None:
        expected = predictor.predict(DEV[:5])
        predictor.network.train()
        assert predictor.predict(DEV[:5]) == expected

    def test_leaves_no_gradients_behind(self, predictor: Predictor) -> None:
        predictor.predict(DEV[:2])
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert all(weight.grad is None for weight in predictor.network.parameters())


class TestRefused:
    @pytest.mark.parametrize("given", ["The cat sleeps.", ["The cat sleeps."], [["The"], "cat"]])
    def test_bare_strings(self, pos_predictor: Predictor, given: Sequence[Sequence[str]]) -> None:
        with pytest.raises(TypeError, match="use predict_text"):
            pos_predictor.predict(given)

    def test_a_bare_string_is_refused_before_anything_is_asked_for(self, pos_predictor: Predictor) -> None:
        with pytest.raises(TypeError, match="use predict_text"):
            pos_predictor.predict_stream("The cat sleeps.")
        with pytest.raises(TypeError, match="use predict_text"):
            pos_predictor.predict_text_stream("The cat sleeps.")

    @pytest.mark.parametrize(("token", "kind"), [(1, "int"), (None, "NoneType"), (b"cat", "bytes"), (["a"], "list")])
    def test_tokens_that_are_no_strings(self, pos_predictor: Predictor, token: object, kind: str) -> None:
        with pytest.raises(TypeError, match=rf"a token is a string, got {kind}"):
            pos_predictor.predict([["The"], ["a", token]])  # type: ignore[list-item]

    def test_a_sentence_too_long_for_memory(self, pos_predictor: Predictor) -> None:
        message = "^expected a sentence of at most 100,000 tokens, found 1,000,000$"
        with pytest.raises(DataError, match=message):
            pos_predictor.predict([["a"], ["a"] * 1_000_000])
        with pytest.raises(DataError, match=message):
            list(pos_predictor.predict_stream([["a"] * 1_000_000]))

    @pytest.mark.parametrize(("sentence", "kind"), [(None, "NoneType"), (7, "int")])
    def test_sentences_that_are_no_sequences(self, pos_predictor: Predictor, sentence: object, kind: str) -> None:
        with pytest.raises(TypeError, match=f"a sentence is a sequence of tokens, got {kind}"):
            pos_predictor.predict([sentence])  # type: ignore[list-item]

    @pytest.mark.parametrize(("given", "kind"), [(None, "NoneType"), (5, "int"), (2.5, "float")])
    def test_what_is_not_many_of_anything(self, pos_predictor: Predictor, given: Any, kind: str) -> None:
        for predict in (
            pos_predictor.predict,
            pos_predictor.predict_stream,
            partial(pos_predictor.predict, allowed=[]),
        ):
            with pytest.raises(TypeError, match=rf"^predict takes sentences of tokens, such as .*, got {kind}$"):
                predict(given)
        for predict_text in (pos_predictor.predict_text, pos_predictor.predict_text_stream):
            with pytest.raises(TypeError, match=f"^predict_text takes a string or a list of strings, got {kind}$"):
                predict_text(given)

    def test_texts_that_are_no_strings(self, pos_predictor: Predictor) -> None:
        with pytest.raises(TypeError, match="predict_text takes strings, got list: use predict for tokens"):
            pos_predictor.predict_text([["The", "cat"]])  # type: ignore[list-item]

    def test_a_sentence_longer_than_the_limit(self, pos_predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inputs, "MAX_TOKENS", 50)
        assert len(pos_predictor.predict([["a"] * 50])[0]) == 50
        for predict in (pos_predictor.predict, pos_predictor.predict_stream):
            with pytest.raises(DataError, match=r"^expected a sentence of at most 50 tokens, found 51$"):
                list(predict([["a"] * 51]))
        with pytest.raises(DataError, match="at most 50 tokens, found 60"):
            pos_predictor.predict_text("word " * 60)


class TestStream:
    @pytest.fixture(autouse=True)
    def small_window(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(predictor_module, "WINDOW", 8)

    @pytest.mark.parametrize("length", [1, 0])
    def test_reads_at_most_a_window_ahead(self, pos_predictor: Predictor, length: int) -> None:
        read = 0

        def count() -> Iterator[list[str]]:
            nonlocal read
            for _ in range(500):
                read += 1
                yield ["word"] * length

        stream = pos_predictor.predict_stream(count())
        assert read == 0
        for answered in range(1, 30):
            next(stream)
            assert answered <= read < answered + 8

    @pytest.mark.parametrize("text", ["One. Two.", "", "Hello there"])
    def test_texts_too(self, pos_predictor: Predictor, text: str) -> None:
        read = 0

        def count() -> Iterator[str]:
            nonlocal read
            for _ in range(500):
                read += 1
                yield text

        stream = pos_predictor.predict_text_stream(count())
        for answered in range(1, 30):
            next(stream)
            assert answered <= read <= answered + 8

    def test_answers_before_a_bad_sentence(self, pos_predictor: Predictor) -> None:
        stream = pos_predictor.predict_stream([*DEV[:8], [1]])  # type: ignore[list-item]
        assert [next(stream).tokens for _ in range(8)] == DEV[:8]
        with pytest.raises(TypeError, match="a token is a string"):
            next(stream)

    def test_text_of_more_sentences_than_a_window(self, pos_predictor: Predictor) -> None:
        text = "We slept. " * 20
        found = pos_predictor.predict_text(["", text, "Yes."])
        assert [len(each.sentence_starts) for each in found] == [0, 20, 1]
        assert len(found[1]) == 60

    def test_default_window(self) -> None:
        assert WINDOW == 4096


@BOTH
class TestText:
    def test_one_string_or_a_list(self, predictor: Predictor) -> None:
        text = "Anna Petrova lives in Geneva. She doesn't work at Nordbank!"
        one = predictor.predict_text(text)
        assert isinstance(one, Prediction)
        assert predictor.predict_text([text]) == [one]
        assert predictor.predict_text([]) == []

    def test_offsets_slice_to_tokens(self, predictor: Predictor) -> None:
        text = "  Anna Petrova lives\u00a0in Geneva.\nShe doesn't — \U0001f469\u200d\U0001f680 naïve!\t"
        found = predictor.predict_text(text)
        assert found.offsets is not None
        assert tuple(text[start:end] for start, end in found.offsets) == found.tokens
        assert len(found) == len(found.tags) == len(found.confidence) > 10

    def test_empty_and_blank_strings_keep_their_place(self, predictor: Predictor) -> None:
        texts = ["", "Hello there.", " \n\t", "\u2003", "Bye. Now.", ""]
        found = predictor.predict_text(texts)
        assert [len(each) > 0 for each in found] == [False, True, False, False, True, False]
        blank = Prediction(tokens=(), tags=(), spans=(), confidence=(), offsets=(), sentence_starts=())
        assert found[0] == found[2] == found[3] == found[5] == blank == predictor.predict_text("")
        assert predictor.predict_text(["", ""]) == [blank, blank]

    def test_equals_its_sentences(self, predictor: Predictor) -> None:
        found = predictor.predict_text("Anna Petrova lives in Geneva. Marta Quill works in Lagos.")
        starts = found.sentence_starts
        assert len(starts) == 2
        parts = predictor.predict([found.tokens[: starts[1]], found.tokens[starts[1] :]])
        assert found.tags == parts[0].tags + parts[1].tags
        assert found.confidence == pytest.approx(parts[0].confidence + parts[1].confidence, abs=1e-5)
        moved = [
            (span.start + start, span.end + start)
            for start, part in zip(starts, parts, strict=True)
            for span in part.spans
        ]
        assert [(span.start, span.end) for span in found.spans] == moved

    @given(texts=st.lists(st.text(max_size=40), max_size=5))
    @settings(max_examples=30, deadline=None)
    def test_any_text(self, which: str, texts: list[str], request: pytest.FixtureRequest) -> None:
        found = request.getfixturevalue(which).predict_text(texts)
        assert len(found) == len(texts)
        for text, each in zip(texts, found, strict=True):
            assert tuple(text[start:end] for start, end in each.offsets) == each.tokens


class TestSpans:
    def test_in_the_datas_own_scheme(self, ner_predictor: Predictor) -> None:
        """The data say BIO, the network learns BIOES."""
        assert any(tag.startswith("E-") for tag in ner_predictor.vocabulary.tags)
        found = ner_predictor.predict(DEV)
        assert sum(len(prediction.spans) for prediction in found) > 20
        for prediction in found:
            assert {tag[0] for tag in prediction.tags} <= set("BIO")
            assert illegal_transitions(prediction.tags, "BIO") == []
            assert [span.key for span in prediction.spans] == [s.key for s in tags_to_spans(prediction.tags, "BIO")]

    def test_confidence_is_no_more_than_that_of_its_tokens(self, ner_predictor: Predictor) -> None:
        """A span stands there only if each token has its tag; `test_probabilities` checks the very numbers."""
        spans = 0
        for prediction in ner_predictor.predict(DEV):
            for span in prediction.spans:
                spans += span.end - span.start > 1
                assert span.confidence is not None
                assert 0 < span.confidence <= min(prediction.confidence[span.start : span.end]) + 1e-5
        assert spans

    def test_plain_tags_spell_none(self, pos_predictor: Predictor) -> None:
        assert all(prediction.spans == () for prediction in pos_predictor.predict(DEV))

    def test_illegal_transitions_of_the_network_are_counted_before_they_are_respelled(
        self, tiny_config: Config, tmp_path: Path
    ) -> None:
        """A softmax head obeys no scheme; its answers are legal all the same."""
        settings = {"data.tags": "NER", "data.scheme": "BIO", "training.num_epochs": 1}
        train(change(tiny_config, settings), tmp_path / "run")
        predictor = load(tmp_path / "run", device="cpu")
        names = predictor.vocabulary.tags
        for tag, expected in (("I-PER", 2), ("E-PER", 3), ("S-PER", 0), ("O", 0)):
            with torch.no_grad():
                predictor.network.to_emissions.weight.zero_()
                predictor.network.to_emissions.bias.fill_(0).index_fill_(0, torch.tensor(names.index(tag)), 9.0)
            (prediction,) = predictor.predict([["a", "b", "c"]])
            assert prediction.num_illegal == expected
            assert illegal_transitions(prediction.tags, "BIO") == []

    def test_a_crf_takes_no_illegal_transition(self, ner_predictor: Predictor) -> None:
        assert [each.num_illegal for each in ner_predictor.predict(DEV)] == [0] * len(DEV)

    def test_tags(self, pos_predictor: Predictor, ner_predictor: Predictor) -> None:
        assert ner_predictor.tags == tuple(tags_of_types(["LOC", "MISC", "ORG", "PER"], "BIO"))
        assert pos_predictor.tags == pos_predictor.vocabulary.tags


class TestThreads:
    @BOTH
    def test_sixteen_threads_answer_as_one(
        self, which: str, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> None:
        """They share the table of forms, which learns, and starts afresh whenever it is full."""
        monkeypatch.setattr(predictor_module, "MAX_FORMS_SIZE", 10_000)
        monkeypatch.setattr(predictor_module, "BATCH_TOKENS", 100)
        expected = predictor.predict(DEV)
        shared = predictor_of(
            load_model(request.getfixturevalue(which.replace("predictor", "run"))), device=predictor.device
        )
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            barrier = Barrier(16)

            def answer(number: int) -> list[Prediction]:
                barrier.wait()
                order = DEV[number:] + DEV[:number]  # each thread has its own, and with it its own batches
                found = shared.predict(order) if number % 2 else list(shared.predict_stream(iter(order)))
                return found[len(DEV) - number :] + found[: len(DEV) - number]

            with ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(answer, range(16)))
        finally:
            sys.setswitchinterval(interval)
        assert answers[0] == expected  # to the bit
        for found in answers:
            assert all(same(*pair) for pair in zip(found, expected, strict=True))

    @BOTH
    def test_pickled_and_copied(self, predictor: Predictor) -> None:
        expected = predictor.predict(DEV[:9])
        assert pickle.loads(pickle.dumps(predictor)).predict(DEV[:9]) == expected
        assert copy.deepcopy(predictor).predict(DEV[:9]) == expected


class TestMemory:
    @pytest.mark.parametrize("length", [3, 0])
    def test_is_handed_back_after_every_window(
        self, pos_predictor: Predictor, monkeypatch: pytest.MonkeyPatch, length: int
    ) -> None:
        released: list[int] = []  # how many answers had been taken each time
        taken = 0
        monkeypatch.setattr(predictor_module, "WINDOW", 8)
        monkeypatch.setattr(predictor_module, "release_memory", lambda: released.append(taken))
        monkeypatch.setattr(pos_predictor, "_windows_since_release", 0.0)
        for _ in pos_predictor.predict_stream([["word"] * length] * 30):
            taken += 1
        assert released == [0, 8, 16]
        for _ in range(2):  # sentences that come by themselves count too, until they make a window
            pos_predictor.predict([["word"]], allowed=[None])
        assert released == [0, 8, 16, 30]

    def test_a_window_ends_at_so_many_tokens(self, pos_predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its answers wait for each other in memory, and sentences may be long."""
        monkeypatch.setattr(predictor_module, "WINDOW_TOKENS", 100)
        monkeypatch.setattr(predictor_module, "release_memory", lambda: released.append(len(read)))
        monkeypatch.setattr(pos_predictor, "_windows_since_release", 0.0)
        read: list[int] = []
        released: list[int] = []
        stream = pos_predictor.predict_stream(read.append(n) or ["word"] * n for n in (40, 60, 30, 30, 300, 5))
        assert [len(next(stream)) for _ in range(6)] == [40, 60, 30, 30, 300, 5]
        assert released == [2, 5]
        given = [["word"] * length for length in (40, 60, 30, 30, 300, 5)]
        answers = pos_predictor.predict(given, allowed=[None] * 6)
        assert all(same(*pair) for pair in zip(answers, pos_predictor.predict(given), strict=True))

    def test_forms_are_forgotten_when_there_are_too_many(self, pos_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(predictor_module, "MAX_FORMS_SIZE", 20_000)
        predictor = load(pos_run, device="cpu")
        sentences = [[f"word{number}x{index}" for index in range(20)] for number in range(40)]
        again = predictor.predict(sentences)
        monkeypatch.undo()
        assert all(same(*pair) for pair in zip(again, load(pos_run, device="cpu").predict(sentences), strict=True))


class TestLoad:
    def test_a_fresh_process_says_the_same(self, pos_run: Path, ner_run: Path) -> None:
        """The report was made right after training; a new process counts the same, and tags the same as this one."""
        script = """
import json, sys
import torch
from pathlib import Path
import tagger
from tagger.data.conllu import read_conllu
torch.set_num_threads(1)
answers = []
for run, tags, scheme in (sys.argv[1], "UPOS", "plain"), (sys.argv[2], "NER", "BIO"):
    predictor = tagger.load(run, device="cpu")
    sentences = list(read_conllu(Path(sys.argv[3]), tags=tags, scheme=scheme))
    tagged = [prediction.tags for prediction in predictor.predict([each.tokens for each in sentences])]
    answers.append([tagger.evaluate(predictor, sentences).to_json(), tagged])
print(json.dumps(answers))
"""
        command = [sys.executable, "-c", script, str(pos_run), str(ner_run), str(SAMPLE / "test.conllu")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        tokens = [sentence.tokens for sentence in read_conllu(SAMPLE / "test.conllu", tags=None)]
        for run, (report, tagged) in zip((pos_run, ner_run), json.loads(done.stdout), strict=True):
            trained = Report.from_json((run / "report.json").read_text())
            assert Report.from_json(report).scores == trained.scores
            here = load(str(run), device="cpu").predict(tokens)
            assert [list(prediction.tags) for prediction in here] == tagged

    @pytest.mark.parametrize("name", ["tpu", "mps", "", "cpu:0", "cuda:x", "cuda:-1", "gpu"])
    def test_no_such_device(self, pos_run: Path, name: str) -> None:
        with pytest.raises(ConfigError, match=f"^device: no device '{name}': one of auto, cpu, cuda, cuda:N$"):
            load(pos_run, device=name)

    @pytest.mark.parametrize(("name", "there"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
    def test_no_such_gpu(self, monkeypatch: pytest.MonkeyPatch, name: str, there: int) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
        with pytest.raises(ConfigError, match=f"^--device: {name}: there are {there} CUDA devices here"):
            pick_device(name, key="--device")

    def test_auto(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for there, kind in ((False, "cpu"), (True, "cuda")):
            monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
            assert pick_device("auto").type == kind

    @pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES", "BILOU", "IO"])
    def test_softmax_over_spans_in_every_scheme(self, tiny_config: Config, tmp_path: Path, scheme: str) -> None:
        """A softmax head may decode illegal sequences; the answer is still spelled as the data spell spans."""
        data = tmp_path / "data.conll"
        words = ("Anna", "Petrova", "in", "Geneva")
        tags = {
            "BIO": ("B-PER", "I-PER", "O", "B-LOC"),
            "IOB1": ("I-PER", "I-PER", "O", "I-LOC"),
            "BIOES": ("B-PER", "E-PER", "O", "S-LOC"),
            "BILOU": ("B-PER", "L-PER", "O", "U-LOC"),
            "IO": ("I-PER", "I-PER", "O", "I-LOC"),
        }[scheme]
        lines = "\n".join(f"{word} {tag}" for word, tag in zip(words, tags, strict=True))
        data.write_text(f"{lines}\n\n" * 8)
        changes = {
            "data.format": "conll",
            "data.train": str(data),
            "data.dev": None,
            "data.test": None,
            "data.scheme": scheme,
            "training.num_epochs": 1,
        }
        train(change(tiny_config, changes), tmp_path / "run")
        predictor = load(tmp_path / "run", device="cpu")
        assert predictor.tags == tuple(tags_of_types(["LOC", "PER"], scheme))
        for prediction in predictor.predict([words[:length] for length in (1, 2, 3, 4)]):
            assert set(prediction.tags) <= set(predictor.tags)
            assert illegal_transitions(prediction.tags, scheme) == []

    @pytest.mark.cuda
    @BOTH
    def test_gpu_computes_in_float32(self, which: str, predictor: Predictor, request: pytest.FixtureRequest) -> None:
        """TF32 would be off in the third digit."""
        on_gpu = load(request.getfixturevalue(which.replace("predictor", "run")), device="cuda").predict(DEV)
        for one, other in zip(on_gpu, predictor.predict(DEV), strict=True):
            if one.tags == other.tags:
                assert one.confidence == pytest.approx(other.confidence, abs=1e-4)

    @pytest.mark.cuda
    @BOTH
    def test_gpu_tags_as_the_cpu_does(self, which: str, predictor: Predictor, request: pytest.FixtureRequest) -> None:
        on_gpu = load(request.getfixturevalue(which.replace("predictor", "run")), device="cuda").predict(DEV)
        pairs = [
            (ours, theirs)
            for one, other in zip(on_gpu, predictor.predict(DEV), strict=True)
            for ours, theirs in zip(one.tags, other.tags, strict=True)
        ]
        assert sum(ours == theirs for ours, theirs in pairs) >= 0.999 * len(pairs)
