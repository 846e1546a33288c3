"""Probabilities of a Predictor against enumeration of every tag sequence; what is known beforehand; the n best."""

import math
import pickle
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise, product
from typing import Any, cast

import numpy as np
import pytest
import torch

from tagger.config import AffixesConfig, CharactersConfig, Config, DataConfig, FeaturesConfig, ModelConfig, WordsConfig
from tagger.data.batches import collate
from tagger.data.vocab import FormTable, Vocabulary
from tagger.inference.model_folder import sizes_of
from tagger.inference.predictor import Predictor
from tagger.model.heads import CRFHead
from tagger.model.network import build_network
from tagger.schemes import convert_tags, illegal_transitions, is_legal, tags_of_types, tags_to_spans
from tagger.sentence import Prediction

WORDS = "abcdef"
SENTENCES = [tuple(words) for words in ("abcd", "e", "fab", "dd", "cafe", "bead", "fed", "bbbb", "cb", "fade")]
SCHEMES = ["BIO", "IO", "IOB1", "BIOES", "BILOU"]
# tags that the scheme forbids next to each other
ILLEGAL = {
    "BIO": ("O", "I-X", "I-Y", "I-X"),
    "IO": ("I-X", "I-Y", "O", "I-X"),
    "BIOES": ("O", "E-X", "B-Y", "I-X"),
    "BILOU": ("L-X", "B-Y", "O", "I-X"),
}
Paths = dict[tuple[str, ...], float]
Allowed = Sequence[Collection[str] | None]


def make_predictor(head: str, scheme: str, *, spread: float = 6.0, encoding: str = "BIOES") -> Predictor:
    """A network of fresh weights over two span types, or three plain tags, that is far from sure of its tags."""
    torch.manual_seed(5)
    features = FeaturesConfig(
        words=WordsConfig(dim=8), characters=CharactersConfig(kind="none"), affixes=AffixesConfig(dim=0)
    )
    model = ModelConfig(hidden_dim=6, head=head, encoding=encoding)  # type: ignore[arg-type]
    config = Config(data=DataConfig(scheme=scheme), features=features, model=model)  # type: ignore[arg-type]
    tags = ("N", "V", "X") if scheme == "plain" else tuple(tags_of_types(("X", "Y"), encoding))
    vocabulary = Vocabulary.build(
        dict.fromkeys(WORDS, 2),
        tags=tags,
        extra_words=(),
        words=features.words,
        characters=features.characters,
        affixes=features.affixes,
    )
    network = build_network(features, model, sizes_of(vocabulary, config))
    with torch.no_grad():
        network.to_emissions.weight *= spread
        if isinstance(network.head, CRFHead):
            for weight in network.head.parameters():
                weight.normal_()
    return Predictor(network, vocabulary, scheme=scheme, encoding=encoding, device=torch.device("cpu"))


def enumerate_paths(
    predictor: Predictor, tokens: Sequence[str], fits: Callable[[int, str], bool] | None = None
) -> Paths:
    """The probability of every sequence of the network's tags, or of those that fit at every token.

    Under a CRF each transition that the network's encoding forbids costs 10,000 nats.
    """
    table = FormTable(predictor.vocabulary)
    batch = collate(table.rows([tokens]), table=table, tags=None)
    with torch.inference_mode():
        emissions = predictor.network.eval()(batch)[0].double().tolist()  # (T, K)
    names, head = predictor.vocabulary.tags, predictor.network.head
    ids = [[k for k, name in enumerate(names) if fits is None or fits(t, name)] for t in range(len(tokens))]
    legal = {
        pair: is_legal(*pair, "plain" if predictor.scheme == "plain" else "BIOES")
        for pair in product([None, *names], [*names, None])
    }
    if isinstance(head, CRFHead):
        start, end = head.crf.start_transitions.tolist(), head.crf.end_transitions.tolist()
        transitions = head.crf.transitions.tolist()
    scores: Paths = {}
    for path in product(*ids):
        score = math.fsum(row[tag] for row, tag in zip(emissions, path, strict=True))
        spelled = tuple(names[tag] for tag in path)
        if isinstance(head, CRFHead):
            score += start[path[0]] + end[path[-1]] + math.fsum(transitions[i][j] for i, j in pairwise(path))
            score -= 1e4 * sum(not legal[pair] for pair in pairwise((None, *spelled, None)))
        scores[spelled] = score
    best = max(scores.values())
    weights = {path: math.exp(score - best) for path, score in scores.items()}
    total = math.fsum(weights.values())
    return {path: weight / total for path, weight in weights.items()}


def span_chance(paths: Paths, key: tuple[int, int, str], scheme: str) -> float:
    return math.fsum(
        chance
        for path, chance in paths.items()
        if chance and key in {span.key for span in tags_to_spans(convert_tags(path, "BIOES", scheme), scheme)}
    )


def one_to_one(tag: str, scheme: str) -> str:
    """The tag of the data that a network's tag stands for by itself."""
    letters = {"BIO": "BIIOB", "IO": "IIIOI", "BIOES": "BIEOS", "BILOU": "BILOU"}[scheme]
    return letters["BIEOS".index(tag[0])] + tag[1:]


def check_against(paths: Paths, prediction: Prediction, scheme: str, *, within: float = 1e-5) -> None:
    """Every confidence of a prediction against the enumerated sequences."""
    for token, (tag, confidence) in enumerate(zip(prediction.tags, prediction.confidence, strict=True)):
        chances = [chance for path, chance in paths.items() if one_to_one(path[token], scheme) == tag]
        assert confidence == pytest.approx(math.fsum(chances), abs=within)
        assert 0 <= confidence <= 1
    assert [span.key for span in prediction.spans] == [span.key for span in tags_to_spans(prediction.tags, scheme)]
    for span in prediction.spans:
        assert span.confidence == pytest.approx(span_chance(paths, span.key, scheme), abs=within)
        assert 0 <= cast(float, span.confidence) <= 1


@pytest.fixture(params=["softmax", "crf"])
def head(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestSpanConfidence:
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_is_the_probability_of_the_span(self, head: str, scheme: str) -> None:
        predictor = make_predictor(head, scheme)
        spans = unlike = 0
        for tokens, prediction in zip(SENTENCES, predictor.predict(SENTENCES), strict=True):
            paths = enumerate_paths(predictor, tokens)
            for span in prediction.spans:
                expected = span_chance(paths, span.key, scheme)
                assert span.confidence == pytest.approx(expected, abs=1e-5)
                spans += 1
                product_of_tokens = math.prod(prediction.confidence[span.start : span.end])
                unlike += abs(expected - product_of_tokens) > 1e-4
        assert spans > 8
        assert unlike or scheme == "IO"  # what touches is one span there, so that few others could stand in its place

    def test_where_spans_that_touch_are_one(self) -> None:
        """The network tells them apart, the data's IO does not: both readings make up the probability."""
        predictor = make_predictor("crf", "IO")
        (found,) = predictor.predict([("a", "b")], allowed=[[["I-X"], ["I-X"]]])
        assert [(span.key, span.confidence) for span in found.spans] == [((0, 2, "X"), pytest.approx(1.0))]
        assert found.confidence == (1.0, 1.0)
        inside = enumerate_paths(predictor, ("a", "b"), lambda _, tag: tag.endswith("-X"))
        assert 0.001 < inside[("S-X", "S-X")] < 0.999
        assert inside[("S-X", "S-X")] + inside[("B-X", "E-X")] == pytest.approx(1.0)


class TestTemperature:
    @pytest.mark.parametrize("temperature", [0.3, 3.0, 20.0])
    @pytest.mark.parametrize("scheme", ["plain", *SCHEMES])
    def test_changes_every_confidence_and_no_tag(self, head: str, scheme: str, temperature: float) -> None:
        predictor = make_predictor(head, scheme)
        scaled = predictor.at_temperature(temperature)
        for before, after in zip(predictor.predict(SENTENCES), scaled.predict(SENTENCES), strict=True):
            assert before.tags == after.tags
            assert [span.key for span in before.spans] == [span.key for span in after.spans]
            assert before.confidence != after.confidence
            if head == "softmax":
                pair = before.confidence, after.confidence
                assert all((new < old) == (temperature > 1) for old, new in zip(*pair, strict=True))

    def test_of_a_network_whose_scores_are_scaled(self, head: str) -> None:
        """Dividing all that is learned by hand gives the same confidences."""
        expected = make_predictor(head, "BIO").at_temperature(2.0).predict(SENTENCES)
        predictor = make_predictor(head, "BIO")
        with torch.no_grad():
            for weight in (*predictor.network.to_emissions.parameters(), *predictor.network.head.parameters()):
                weight /= 2.0
        for one, other in zip(expected, predictor.predict(SENTENCES), strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-6)
            assert [span.key for span in one.spans] == [span.key for span in other.spans]
            assert [s.confidence for s in one.spans] == pytest.approx([s.confidence for s in other.spans], abs=1e-6)

    def test_n_best(self) -> None:
        predictor = make_predictor("crf", "BIO")
        ranked, scaled = (each.predict_n_best(SENTENCES, n=4) for each in (predictor, predictor.at_temperature(3.0)))
        for before, after in zip(ranked, scaled, strict=True):
            assert [prediction.tags for prediction, _ in before] == [prediction.tags for prediction, _ in after]
            assert [chance for _, chance in after] == sorted((chance for _, chance in after), reverse=True)
            assert before[0][1] > after[0][1]

    def test_survives_pickling(self, head: str) -> None:
        scaled = make_predictor(head, "BIO").at_temperature(2.5)
        copied = pickle.loads(pickle.dumps(scaled))
        assert copied.predict(SENTENCES) == scaled.predict(SENTENCES)
        assert scaled.at_temperature(1.0).predict(SENTENCES) == make_predictor(head, "BIO").predict(SENTENCES)


class TestTokenConfidence:
    @pytest.mark.parametrize("scheme", ["BIO", "IO", "BIOES", "BILOU"])
    def test_of_a_crf_is_the_posterior_of_the_tag(self, scheme: str) -> None:
        predictor = make_predictor("crf", scheme)
        for tokens, prediction in zip(SENTENCES, predictor.predict(SENTENCES), strict=True):
            check_against(enumerate_paths(predictor, tokens), prediction, scheme)

    def test_in_iob1_is_that_of_the_networks_tag(self) -> None:
        predictor = make_predictor("crf", "IOB1")
        for tokens, prediction in zip(SENTENCES, predictor.predict(SENTENCES), strict=True):
            paths = enumerate_paths(predictor, tokens)
            best = max(paths, key=paths.__getitem__)
            for token, confidence in enumerate(prediction.confidence):
                chances = [chance for path, chance in paths.items() if path[token] == best[token]]
                assert confidence == pytest.approx(math.fsum(chances), abs=1e-5)

    def test_of_plain_tags(self, head: str) -> None:
        predictor = make_predictor(head, "plain")
        for tokens, prediction in zip(SENTENCES, predictor.predict(SENTENCES), strict=True):
            paths = enumerate_paths(predictor, tokens)
            assert prediction.tags == max(paths, key=paths.__getitem__)
            for token, confidence in enumerate(prediction.confidence):
                chances = [chance for path, chance in paths.items() if path[token] == prediction.tags[token]]
                assert confidence == pytest.approx(math.fsum(chances), abs=1e-5)


def draw_allowed(generator: np.random.Generator, tags: Sequence[str], length: int) -> list[set[str] | None]:
    return [
        None
        if generator.random() < 0.3
        else {str(tag) for tag in generator.choice(tags, size=generator.integers(1, 4))}
        for _ in range(length)
    ]


class TestAllowed:
    @pytest.mark.parametrize("scheme", ["BIO", "IO", "BIOES", "BILOU"])
    def test_probabilities_are_those_among_what_is_allowed(self, head: str, scheme: str) -> None:
        predictor = make_predictor(head, scheme)
        generator = np.random.default_rng(3)
        allowed = [draw_allowed(generator, predictor.tags, len(tokens)) for tokens in SENTENCES]
        for tokens, limits, prediction in zip(
            SENTENCES, allowed, predictor.predict(SENTENCES, allowed=allowed), strict=True
        ):
            assert all(tags is None or tag in tags for tag, tags in zip(prediction.tags, limits, strict=True))

            def fits(token: int, tag: str, limits: Allowed = limits) -> bool:
                tags = limits[token]
                return tags is None or one_to_one(tag, scheme) in tags

            paths = enumerate_paths(predictor, tokens, fits)
            if head == "crf":  # softmax may answer with another tag than its own, to spell its spans legally
                # where only illegal sequences are allowed, their scores near -1e4 have float32's 1e-3
                is_legal_here = not illegal_transitions(prediction.tags, scheme)
                check_against(paths, prediction, scheme, within=1e-5 if is_legal_here else 1e-3)
            for span in prediction.spans:
                assert span.confidence == pytest.approx(span_chance(paths, span.key, scheme), abs=1e-3)

    @pytest.mark.parametrize("scheme", ["BIO", "IO", "BIOES", "BILOU", "plain"])
    def test_a_sentence_wholly_known_is_certain(self, head: str, scheme: str) -> None:
        predictor = make_predictor(head, scheme)
        generator = np.random.default_rng(4)
        given = [ILLEGAL.get(scheme, ("N", "X", "V", "X"))]
        given += [tuple(str(tag) for tag in generator.choice(predictor.tags, size=4)) for _ in range(30)]
        found = predictor.predict([tuple("abcd")] * len(given), allowed=[[{t} for t in g] for g in given])
        for tags, prediction in zip(given, found, strict=True):
            assert prediction.tags == tags
            assert prediction.confidence == pytest.approx((1.0,) * 4, abs=1e-6)
            assert all(0 <= chance <= 1 for chance in prediction.confidence)
            if scheme != "plain":
                assert [span.key for span in prediction.spans] == [s.key for s in tags_to_spans(tags, scheme)]

    @pytest.mark.parametrize("scheme", ["BIO", "IO", "BIOES", "plain"])
    def test_none_is_free(self, head: str, scheme: str) -> None:
        predictor = make_predictor(head, scheme)
        free = predictor.predict(SENTENCES)
        assert predictor.predict(SENTENCES, allowed=[None] * len(SENTENCES)) == free
        assert predictor.predict(SENTENCES, allowed=([None] * len(tokens) for tokens in SENTENCES)) == free
        everything = [[predictor.tags] * len(tokens) for tokens in SENTENCES]
        assert predictor.predict(SENTENCES, allowed=everything) == free

    def test_a_known_neighbour_changes_the_rest(self) -> None:
        predictor = make_predictor("crf", "BIO")
        for tag in ("I-X", "I-Y"):
            (found,) = predictor.predict([tuple("abc")], allowed=[[None, [tag], None]])
            assert found.tags[:2] in ((f"B-{tag[2]}", tag), (tag, tag))
            assert illegal_transitions(found.tags, "BIO") == []

    def test_empty_sentences_keep_their_place(self, head: str) -> None:
        predictor = make_predictor(head, "BIO")
        found = predictor.predict([(), ("a",), ()], allowed=[[], [["B-X"]], None])
        assert [prediction.tags for prediction in found] == [(), ("B-X",), ()]

    def test_many_sentences(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tagger.inference.predictor.WINDOW", 3)
        predictor = make_predictor("crf", "BIO")
        tags = [predictor.tags[at % 5] for at in range(len(SENTENCES))]
        allowed = [[*[None] * (len(tokens) - 1), [tag]] for tokens, tag in zip(SENTENCES, tags, strict=True)]
        found = predictor.predict(iter(SENTENCES), allowed=iter(allowed))
        assert [prediction.tokens for prediction in found] == SENTENCES
        assert [prediction.tags[-1] for prediction in found] == tags

    @pytest.mark.parametrize(
        ("allowed", "message"),
        [
            ([], "1 sentences but allowed tags for 0"),
            ([None, None], "1 sentences but allowed tags for 2"),
            ([[None]], "2 tokens but allowed tags for 1"),
            ([[None, None, None]], "2 tokens but allowed tags for 3"),
            ([[None, ["B-Z"]]], "the model has no tag 'B-Z'"),
            ([[None, ["S-X"]]], "the model has no tag 'S-X'"),  # its own, but not the data's
            ([[None, []]], "token 'b' is left without a tag it may get"),
            ([[set(), None]], "token 'a' is left without a tag it may get"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, head: str, allowed: list[Allowed | None], message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}$"):
            make_predictor(head, "BIO").predict([("a", "b")], allowed=allowed)

    @pytest.mark.parametrize("allowed", [["B-X", "O"], "OO"])
    def test_a_bare_tag_is_no_set_of_tags(self, allowed: Allowed) -> None:
        with pytest.raises(TypeError, match="allowed tags are a collection of tags, got the string"):
            make_predictor("crf", "BIO").predict([("a", "b")], allowed=[allowed])

    def test_iob1_is_refused(self) -> None:
        with pytest.raises(
            ValueError, match="tags cannot be fixed one by one: in IOB1 they depend on their neighbours"
        ):
            make_predictor("crf", "IOB1").predict([("a", "b")], allowed=[[None, ["I-X"]]])


class TestNBest:
    @pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES", "plain"])
    def test_are_the_likeliest_sequences(self, scheme: str) -> None:
        predictor = make_predictor("crf", scheme)
        best = predictor.predict(SENTENCES)
        for tokens, first, ranked in zip(SENTENCES, best, predictor.predict_n_best(SENTENCES, n=7), strict=True):
            paths = enumerate_paths(predictor, tokens)
            expected = sorted((path for path, chance in paths.items() if chance), key=lambda path: -paths[path])[:7]
            spelled = [path if scheme == "plain" else convert_tags(path, "BIOES", scheme) for path in expected]
            assert [prediction.tags for prediction, _ in ranked] == [tuple(tags) for tags in spelled]
            chances = [chance for _, chance in ranked]
            assert chances == pytest.approx([paths[path] for path in expected], abs=1e-6)
            assert chances == sorted(chances, reverse=True)
            assert sum(chances) <= 1 + 1e-9
            assert ranked[0][0].tags == first.tags
            assert ranked[0][0].confidence == pytest.approx(first.confidence, abs=1e-5)
            assert [span.key for span in ranked[0][0].spans] == [span.key for span in first.spans]

    def test_sums_over_paths_are_made_once_for_all_ranks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[str] = []
        for name in ("marginals", "span_probabilities"):
            method = getattr(CRFHead, name)

            def count(*given: Any, method: Callable[..., Any] = method, name: str = name, **named: Any) -> Any:
                calls.append(name)
                return method(*given, **named)

            monkeypatch.setattr(CRFHead, name, count)
        ranked = make_predictor("crf", "BIO").predict_n_best([tuple("abcd")] * 3, n=5)
        assert [len(each) for each in ranked] == [5, 5, 5]
        assert calls == ["marginals", "span_probabilities"]

    @pytest.mark.parametrize("scheme", ["BIO", "IO", "BIOES"])
    def test_every_rank_has_the_probabilities_of_its_own_tags(self, scheme: str) -> None:
        predictor = make_predictor("crf", scheme)
        for tokens, ranked in zip(SENTENCES, predictor.predict_n_best(SENTENCES, n=4), strict=True):
            paths = enumerate_paths(predictor, tokens)
            for prediction, _ in ranked:
                assert prediction.tokens == tokens
                check_against(paths, prediction, scheme)

    def test_short_sentences_have_fewer(self) -> None:
        """One token can be O, S-X or S-Y; the others are illegal by themselves."""
        empty, short = make_predictor("crf", "BIO").predict_n_best([(), ("a",)], n=50)
        assert empty == []
        assert {prediction.tags for prediction, _ in short} == {("O",), ("B-X",), ("B-Y",)}
        assert sum(chance for _, chance in short) == pytest.approx(1.0)

    def test_one_is_the_best(self) -> None:
        predictor = make_predictor("crf", "BIO")
        assert [[tags.tags for tags, _ in ranked] for ranked in predictor.predict_n_best(iter(SENTENCES), n=1)] == [
            [prediction.tags] for prediction in predictor.predict(SENTENCES)
        ]

    def test_what_is_refused(self) -> None:
        with pytest.raises(ValueError, match="only a model with a CRF head ranks whole tag sequences"):
            make_predictor("softmax", "BIO").predict_n_best(SENTENCES, n=2)
        for n in (0, -1):
            with pytest.raises(ValueError, match=f"n: expected a number >= 1, got {n}"):
                make_predictor("crf", "BIO").predict_n_best(SENTENCES, n=n)
        with pytest.raises(TypeError, match="use predict_text"):
            make_predictor("crf", "BIO").predict_n_best("a b", n=2)
