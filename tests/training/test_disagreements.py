"""What a model that has not seen a sentence says against its gold."""

from pathlib import Path

from tagger.config import DataConfig
from tagger.schemes import tags_to_spans
from tagger.sentence import Prediction, Sentence, Span
from tagger.training.disagreements import Disagreements, SuspectGold, locate


def predict(tokens: str, tags: str, confidence: list[float], *, scheme: str = "plain", sure: float = 1.0) -> Prediction:
    spans: tuple[Span, ...] = ()
    if scheme != "plain":
        found = tags_to_spans(tags.split(), scheme)
        spans = tuple(Span(start=each.start, end=each.end, label=each.label, confidence=sure) for each in found)
    words, said = tuple(tokens.split()), tuple(tags.split())
    return Prediction(tokens=words, tags=said, spans=spans, confidence=tuple(confidence), sentence_starts=(0,))


def gold(tokens: str, tags: str, source: str = "x:1") -> Sentence:
    return Sentence(tokens=tuple(tokens.split()), tags=tuple(tags.split()), source=source)


def show(found: list[SuspectGold]) -> list[tuple[str, int, int, str | None, str | None, float]]:
    return [
        (str(each.sentence.source), each.start, each.end, each.gold, each.predicted, each.confidence) for each in found
    ]


def test_tags() -> None:
    held_out = [gold("a b c", "N N V"), gold("d", "N", "x:5")]
    said = [predict("a b c", "N V N", [0.99, 0.91, 0.89]), predict("d", "V", [0.95])]
    found = Disagreements(held_out, said, scheme="plain", unknown=None)
    assert show(found.list_suspects(0.9, fold=3)) == [
        ("x:5", 0, 1, "N", "V", 0.95),
        ("x:1", 1, 2, "N", "V", 0.91),
    ]
    summary = found.summarise(number=3, num_suspects=2)
    assert (summary.score_name, summary.score, summary.num_tokens) == ("accuracy", 0.25, 4)
    assert (summary.num_disagreements, summary.num_suspects) == (3, 2)


def test_spans() -> None:
    held_out = [gold("a b c d e", "B-X I-X O B-Y O")]
    said = [predict("a b c d e", "B-X O O O B-Y", [0.9, 0.8, 0.9, 0.97, 0.9], scheme="BIO", sure=0.92)]
    found = Disagreements(held_out, said, scheme="BIO", unknown=None).list_suspects(0.9, fold=1)
    assert show(found) == [
        ("x:1", 3, 4, "Y", None, 0.97),
        ("x:1", 0, 1, "X", "X", 0.92),
        ("x:1", 4, 5, None, "Y", 0.92),
    ]


def test_where_nobody_knows_the_tag_there_is_no_disagreement() -> None:
    held_out = [gold("a b c", "B-X _ O"), gold("d e", "O B-X")]
    said = [
        predict("a b c", "B-X I-X O", [1.0] * 3, scheme="BIO"),
        predict("d e", "O B-X", [1.0] * 2, scheme="BIO"),
    ]
    found = Disagreements(held_out, said, scheme="BIO", unknown="_")
    assert found.list_suspects(0.0, fold=1) == []
    assert found.summarise(number=1, num_suspects=0).score == 1.0  # of the sentence that is known throughout


def test_nothing_known_has_no_score() -> None:
    found = Disagreements([gold("a", "_")], [predict("a", "N", [1.0])], scheme="plain", unknown="_")
    assert found.summarise(number=1, num_suspects=0).score is None


def suspect(sentence: Sentence, start: int) -> SuspectGold:
    return SuspectGold(
        where="", sentence=sentence, start=start, end=start + 1, gold="N", predicted="V", confidence=1.0, fold=1
    )


def test_places(tmp_path: Path) -> None:
    path = tmp_path / "a:b.conll"
    path.write_text("a\tN\nb\tN\n\nc\tN\nd\tN\n")
    one, other = gold("a b", "N N", f"{path}:1"), gold("c d", "N N", f"{path}:4")
    found = locate([suspect(other, 1), suspect(one, 0)], DataConfig(format="conll", train=str(path)))
    assert [each.where for each in found] == [f"{path}:5", f"{path}:1"]
    rows = locate([suspect(one, 1)], DataConfig(format="jsonl", train=str(path)))
    assert [each.where for each in rows] == [f"{path}:1 token 2"]
    hub = suspect(gold("a b", "N N", "me/data/train/row 7"), 0)
    assert [each.where for each in locate([hub], DataConfig(format="hub", name="me/data"))] == [
        "me/data/train/row 7 token 1"
    ]
