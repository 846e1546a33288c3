"""Where a confident model disagrees with the annotation of sentences that it has not seen, by `file:line`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tagger.config import DataConfig
from tagger.data.token_lines import find_token_lines
from tagger.evaluation.calibration import read_confidence
from tagger.evaluation.confusions import find_suspects
from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import lay_out
from tagger.evaluation.scores import score
from tagger.sentence import Prediction, Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectGold:
    """Tokens `[start, end)` of a training sentence whose annotation a confident model disagrees with.

    Attributes:
        where: `path:line` of the first of the tokens; where lines are whole sentences, or rows, the sentence's place
            and the token's number, from 1.
        sentence: the sentence with its gold tags.
        start, end: the tokens.
        gold: what gold says of them: a tag, a span type, or None for no such span.
        predicted: what the model says: likewise.
        confidence: the model's, in [0, 1]; of a span that it does not see, its least confidence in those tokens' tags.
        fold: the fold that the sentence was held out in, from 1.
    """

    where: str
    sentence: Sentence
    start: int
    end: int
    gold: str | None
    predicted: str | None
    confidence: float
    fold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFinished:
    """A fold's model has tagged what was held out.

    Attributes:
        number: of the fold, from 1.
        score_name: accuracy, or micro F1.
        score: of the held-out sentences whose tags are all known, in [0, 1]; None where that is undefined.
        num_tokens: held-out tokens.
        num_disagreements: places where the model disagrees with gold, however sure it is.
        num_suspects: those of which it is sure.
    """

    number: int
    score_name: str
    score: float | None
    num_tokens: int
    num_disagreements: int
    num_suspects: int


class Disagreements:
    """Where a model disagrees with gold.

    Args:
        held_out: N sentences with gold tags, none of which the model has seen.
        predictions: what it says of each.
        scheme: how both spell spans.
        unknown: the tag that stands where nobody knows the tag; None: every tag is known.
    """

    def __init__(
        self, held_out: Sequence[Sentence], predictions: Sequence[Prediction], *, scheme: str, unknown: str | None
    ) -> None:
        self._sentences, self._scheme = held_out, scheme
        self._known = [unknown is None or unknown not in (each.tags or ()) for each in self._sentences]
        # where nobody knows the tag the model's is as good as any: no disagreement
        gold = [
            tuple(theirs if ours == unknown else ours for ours, theirs in zip(each.tags or (), said.tags, strict=True))
            for each, said in zip(self._sentences, predictions, strict=True)
        ]
        self._tags = [each.tags for each in predictions]
        layout = lay_out([each.tokens for each in self._sentences])
        judged = Judgement(gold, self._tags, layout=layout, scheme=scheme)
        confidence = read_confidence(predictions, judged)
        if confidence is None:
            raise ValueError("predictions that do not say how sure they are")
        self._found = find_suspects(judged, confidence, least=0.0, limit=None)

    def list_suspects(self, min_confidence: float, *, fold: int) -> list[SuspectGold]:
        """The disagreements of a confident model, the most confident first."""
        return [
            SuspectGold(
                where="",
                sentence=self._sentences[each.place.sentence],
                start=each.place.start,
                end=each.place.end,
                gold=each.gold,
                predicted=each.predicted,
                confidence=each.confidence,
                fold=fold,
            )
            for each in self._found
            if each.confidence >= min_confidence
        ]

    def summarise(self, *, number: int, num_suspects: int) -> FoldFinished:
        """How the fold went."""
        gold = [each.tags or () for each, known in zip(self._sentences, self._known, strict=True) if known]
        tags = [each for each, known in zip(self._tags, self._known, strict=True) if known]
        scores = score(gold, tags, scheme=self._scheme)
        return FoldFinished(
            number=number,
            score_name=scores.main_name,
            score=scores.main,
            num_tokens=sum(map(len, self._sentences)),
            num_disagreements=len(self._found),
            num_suspects=num_suspects,
        )


def locate(suspects: Sequence[SuspectGold], data: DataConfig) -> Iterator[SuspectGold]:
    """The suspects with their places.

    Args:
        suspects: suspects in sentences of the train split.
        data: the data section that it was read by.
    """
    lines: Mapping[int, Sequence[int]] = {}
    if data.format != "hub":
        wanted = {_line_of(each.sentence): each.sentence.tokens for each in suspects}
        lines = find_token_lines(Path(str(data.train)), data, wanted)
    for each in suspects:
        source = str(each.sentence.source)
        at = lines.get(_line_of(each.sentence)) if lines else None
        where = f"{source} token {each.start + 1}" if at is None else f"{source.rpartition(':')[0]}:{at[each.start]}"
        yield replace(each, where=where)


def _line_of(sentence: Sentence) -> int:
    return int(str(sentence.source).rpartition(":")[2])
