"""compare(): whether one system is better than another, from reports or from models and data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tagger.errors import ConfigError, DataError, MissingInputError
from tagger.evaluation.comparison import Comparison
from tagger.evaluation.contenders import Contender
from tagger.evaluation.differences import compare_reports
from tagger.evaluation.render import render_markdown
from tagger.evaluation.report import Report
from tagger.evaluation.statistics import NUM_SHUFFLES
from tagger.files import write_synced
from tagger.inference.device import pick_device
from tagger.inference.loading import predictor_of
from tagger.inference.model_folder import load_model
from tagger.training.evaluate import evaluate_gold, read_gold
from tagger.training.output import writing

REPORT = "report.json"
SEEDS = "seed-*"  # the runs of one config with several seeds, in a folder of theirs


def compare(
    *systems: Report | Sequence[Report] | str | Path,
    data: str | Path | None = None,
    num_shuffles: int = NUM_SHUFFLES,
    device: str = "auto",
) -> Comparison:
    """Compares two systems or more that were scored on the same sentences.

    Args:
        systems: for each a report, several reports of runs that differ in their seed, a report.json, a run folder, or a
            folder of runs named `seed-1`, `seed-2`, ...; with `data`, run folders or model folders, or folders of them.
        data: a file with gold tags, written as each model's training data were, to score the models on now.
        num_shuffles: how often approximate randomisation shuffles, >= 1.
        device: where models compute: auto, cpu, cuda or cuda:N.

    Raises:
        ConfigError: fewer than two systems, one that is given twice, or reports where models are asked for.
        DataError: what is no report; systems that were not scored on the same gold, or that know other labels.
        MissingInputError, ModelError: a report or model that is not there, or cannot be used.
    """
    if len(systems) < 2:
        raise ConfigError(f"compare takes two systems or more, got {len(systems)}")
    if num_shuffles < 1:
        raise ConfigError(f"num_shuffles: expected a number >= 1, got {num_shuffles}")
    contenders = [
        _gather(system, number, data=data, device=device) for number, system in enumerate(_distinct(systems), start=1)
    ]
    names = [each.name for each in contenders]
    named = [
        replace(each, name=f"{each.name} [{number}]") if names.count(each.name) > 1 else each
        for number, each in enumerate(contenders, start=1)
    ]
    return compare_reports(named, num_shuffles=num_shuffles)


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Writes comparison.json, .md and .html into a folder, which is made if it is not there; raises OutputError."""
    from tagger.evaluation.html import render_comparison_html

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_synced(folder / "comparison.json", comparison.to_json().encode())
        write_synced(folder / "comparison.md", render_markdown(comparison).encode())
        write_synced(folder / "comparison.html", render_comparison_html(comparison).encode())


def _gather(
    system: Report | Sequence[Report] | str | Path, number: int, *, data: str | Path | None, device: str
) -> Contender:
    """One of the systems, by its path or by its number, with the reports of its runs."""
    if isinstance(system, str | Path):
        path = Path(system)
        if data is None:
            return Contender(name=str(system), reports=tuple(_read_report(file) for file in _find_reports(path)))
        runs = sorted(path.glob(SEEDS)) or [path]
        return Contender(name=str(system), reports=tuple(_score(run, Path(data), device=device) for run in runs))
    if data is not None:
        raise ConfigError("data: only models can be scored on it, not reports")
    reports = (system,) if isinstance(system, Report) else tuple(system)
    if not reports:
        raise ConfigError(f"system {number}: has no report")
    titles = {report.title for report in reports}
    return Contender(name=titles.pop() if len(titles) == 1 else f"system {number}", reports=reports)


def _distinct(
    systems: Sequence[Report | Sequence[Report] | str | Path],
) -> Sequence[Report | Sequence[Report] | str | Path]:
    seen: set[Path] = set()
    for system in systems:
        if isinstance(system, str | Path):
            path = Path(system).absolute()
            if path in seen:
                raise ConfigError(f"{system}: is given twice")
            seen.add(path)
    return systems


def _find_reports(path: Path) -> list[Path]:
    """The report of a run, or of each seed's run."""
    try:
        if path.is_file():
            return [path]
        if (path / REPORT).is_file():
            return [path / REPORT]
        found = sorted(each / REPORT for each in path.glob(SEEDS) if (each / REPORT).is_file())
        exists = path.exists()
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror}") from error
    if found:
        return found
    if not exists:
        raise MissingInputError(f"{path}: no such report or run folder")
    raise MissingInputError(f"{path}: holds no {REPORT}, and no runs named {SEEDS} that do; --data scores a model now")


def _read_report(path: Path) -> Report:
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a report: not UTF-8") from error
    try:
        return Report.from_json(text)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _score(model: Path, data: Path, *, device: str) -> Report:
    saved = load_model(model)
    gold = read_gold(data, saved.config.data, saved=saved, model=model)
    return evaluate_gold(predictor_of(saved, device=pick_device(device, key="--device")), gold)
