"""The same run from several seeds: how far a score is luck."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from tagger.config import Config
from tagger.errors import ConfigError
from tagger.evaluation.counts import TagScores
from tagger.evaluation.numbers import format_percent
from tagger.evaluation.report import Report
from tagger.files import write_synced
from tagger.training.output import writing
from tagger.training.run import train as train_once

FORMAT = 1
MAX_SEEDS = 1000


class Train(Protocol):
    """Trains one run, as `train` does."""

    def __call__(self, config: Config, out: Path, *, resume: bool, allow_changes: bool) -> Report:
        """Trains, or returns the report of a run that is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScore:
    """One score over several seeds.

    Attributes:
        name: what it is called.
        rule: how it is counted.
        values: of each seed, in [0, 1]; None where it is undefined.
    """

    name: str
    rule: str
    values: tuple[float | None, ...]

    @property
    def defined(self) -> list[float]:
        """The values that are defined."""
        return [value for value in self.values if value is not None]

    @property
    def mean(self) -> float | None:
        """Their mean; None if none is defined."""
        return statistics.fmean(self.defined) if self.defined else None

    @property
    def deviation(self) -> float | None:
        """Their sample standard deviation (n - 1); None of fewer than two."""
        return statistics.stdev(self.defined) if len(self.defined) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedReport:
    """What several seeds gave.

    Attributes:
        title: the run.
        split: the data that were scored.
        seeds: the seeds.
        scores: the scores, the main one first.
    """

    title: str
    split: str
    seeds: tuple[int, ...]
    scores: tuple[SeedScore, ...]

    def to_json(self) -> str:
        """As JSON."""
        scores = {
            score.name: {
                "rule": score.rule,
                "mean": score.mean,
                "deviation": score.deviation,
                "min": min(score.defined, default=None),
                "max": max(score.defined, default=None),
                "values": score.values,
            }
            for score in self.scores
        }
        plain = {**asdict(self), "scores": scores}
        return json.dumps({"format": FORMAT, **plain}, indent=2, allow_nan=False) + "\n"


def train_seeds(
    config: Config,
    out: str | Path,
    *,
    num_seeds: int,
    resume: bool = False,
    allow_changes: bool = False,
    train: Train = train_once,
) -> SeedReport:
    """Trains from several seeds, in OUT/seed-1 and so on, and writes OUT/seeds.json.

    Args:
        config: the run; its seed is the first.
        out: the folder; without `resume` it must not hold such runs.
        num_seeds: how many, each the one before and 1 [1, 1000].
        resume: go on with runs that were broken off, and leave alone those that are finished.
        allow_changes: as `train` takes it.
        train: what trains each.

    Raises:
        ConfigError: a number of seeds out of range, or what `train` raises.
        OutputError: seeds.json cannot be written.
    """
    first, out = config.training.seed, Path(out)
    if not 1 <= num_seeds <= MAX_SEEDS or first + num_seeds > 2**63:
        raise ConfigError(f"--seeds: expected a number in [1, {MAX_SEEDS}], got {num_seeds}")
    seeds = tuple(range(first, first + num_seeds))
    places = {seed: out / f"seed-{seed}" for seed in seeds}
    with writing(out):
        taken = [place for place in (*places.values(), out / "seeds.json") if not resume and place.exists()]
    if taken:
        raise ConfigError(f"--out: {taken[0]} is there already; --resume goes on with it; or choose another folder")
    reports = [
        train(
            replace(config, training=replace(config.training, seed=seed)),
            place,
            resume=resume,
            allow_changes=allow_changes,
        )
        for seed, place in places.items()
    ]
    report = _combine(out, seeds, reports)
    with writing(out):
        write_synced(out / "seeds.json", report.to_json().encode())
    return report


def render_seeds(report: SeedReport) -> str:
    """As text: a table of mean, deviation, lowest and highest, in percent."""
    first, last, count = report.seeds[0], report.seeds[-1], len(report.seeds)
    lines = [
        f"{report.title} on {report.split}, {count} seed{'s' if count > 1 else ''}: {first} to {last}",
        "",
        f"{'score, in percent':20}  {'mean':>6}  {'deviation':>9}  {'min':>6}  {'max':>6}  rule",
    ]
    for score in report.scores:
        numbers = (
            (score.mean, 6),
            (score.deviation, 9),
            (min(score.defined, default=None), 6),
            (max(score.defined, default=None), 6),
        )
        cells = "  ".join(f"{format_percent(number):>{width}}" for number, width in numbers)
        lines.append(f"{score.name:20}  {cells}  {score.rule}")
    lines += ["", f"{report.scores[0].name} of each: {', '.join(map(format_percent, report.scores[0].values))}"]
    return "\n".join(lines) + "\n"


def _combine(out: Path, seeds: tuple[int, ...], reports: list[Report]) -> SeedReport:
    rows = [list(_main_scores(report)) for report in reports]
    scores = tuple(
        SeedScore(name=column[0][0], rule=column[0][1], values=tuple(value for *_, value in column))
        for column in zip(*rows, strict=True)
    )
    title = out.name or out.resolve().name
    return SeedReport(title=title, split=reports[0].split, seeds=seeds, scores=scores)


def _main_scores(report: Report) -> Iterator[tuple[str, str, float | None]]:
    """Name, rule and value of what a report leads with."""
    scores = report.scores
    yield scores.main_name, scores.rule, scores.main
    if isinstance(scores, TagScores):
        for name, ratio in (("unknown words", scores.unknown_words), ("known words", scores.known_words)):
            yield name, "accuracy over their tokens", ratio.value if ratio else None
    else:
        yield "precision", scores.rule, scores.micro.precision
        yield "recall", scores.rule, scores.micro.recall
        yield "strict F1", "spans spelled exactly as the scheme spells them", scores.strict.f1
    yield "macro F1", "mean F1 over what occurs in gold", scores.macro_f1
    yield "sentences", "sentences with every tag right", scores.sentences.value
