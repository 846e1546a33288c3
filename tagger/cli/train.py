"""`tagger train CONFIG --out RUN`: trains a tagger; progress goes to standard error, the report to standard output."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tagger.cli.common import add_preset_option, given, given_path, import_torch, print_text, terminal_width
from tagger.errors import TaggerError
from tagger.training.output import writing
from tagger.training.signals import Terminated

if TYPE_CHECKING:
    from tagger.config import Config
    from tagger.evaluation.report import Report
    from tagger.training.run import Event

SUMMARY = "train a tagger"
DESCRIPTION = """\
Trains the tagger that CONFIG describes and leaves it in RUN, with its metrics and its report:

  tagger train configs/pos_sample.yaml --out runs/pos
  tagger train configs/pos_ewt.yaml --out runs/ewt --data.train my/train.conllu --training.num_epochs 5
  tagger train my.yaml --out runs/my --preset fast

Any setting of the config can be given as --section.key VALUE; they are listed below.
A run that broke off (a kill, an interrupt, a full disk) goes on with the same command and --resume, to the same
weights as if nothing had happened.
Progress goes to standard error, the report to standard output."""


class SettingsHelp(argparse.Action):
    """The verb's --help: it documents every setting too."""

    def __init__(self, option_strings: list[str], dest: str, help: str | None = None) -> None:  # noqa: A002 argparse's
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Prints the verb's own help and that of the settings, and leaves."""
        print(f"{parser.format_help()}\nsettings:\n{_settings_help()}")
        parser.exit()


def _settings_help() -> str:
    from tagger.config_file import config_parser

    parser = config_parser()
    names = [action.dest for action in parser._actions]
    for action in parser._actions:
        if any(name.startswith(f"{action.dest}.") for name in names):
            action.help = argparse.SUPPRESS  # jsonargparse takes whole sections from files; we do not
        # jsonargparse's `--key+`, which appends to a list, is none of ours either
        action.option_strings = [word for word in action.option_strings if not word.endswith("+")]
    return parser.format_help().partition("\n\n")[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("config", metavar="CONFIG", type=given, help="a YAML file")
    add_preset_option(parser)
    parser.add_argument("--out", metavar="RUN", required=True, type=given_path, help="the run folder to fill")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in RUN from its newest checkpoint; begin where there is none",
    )
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        help="with --resume: go on though settings, data or versions are not what they were",
    )
    parser.add_argument(
        "--seeds",
        metavar="N",
        type=int,
        help="train N times, from the config's seed on, in RUN/seed-1 and so on; report mean and deviation",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    from tagger.config_file import load_config

    config = load_config(options.config, options.settings, preset=options.preset)
    import_torch()  # takes a second: a wrong config is reported before that
    from tagger.evaluation.render import render_text
    from tagger.training.seeds import render_seeds, train_seeds

    resuming = {"resume": options.resume, "allow_changes": options.allow_changes}
    if options.seeds is None:
        print_text(render_text(_train(config, options.out, **resuming), width=terminal_width()))
        print(f"The model and the report are in {options.out}", file=sys.stderr)
        return
    seeds = train_seeds(config, options.out, num_seeds=options.seeds, train=_train_seed, **resuming)
    print_text(render_seeds(seeds))
    print(f"Models and reports are in {options.out}/seed-N, these numbers in {options.out}/seeds.json", file=sys.stderr)


def _train_seed(config: "Config", out: Path, *, resume: bool, allow_changes: bool) -> "Report":
    print(f"seed {config.training.seed}", file=sys.stderr)
    return _train(config, out, resume=resume, allow_changes=allow_changes)


def _train(config: "Config", out: Path, *, resume: bool, allow_changes: bool) -> "Report":
    """Trains, showing progress; an error is told what is left to go on from."""
    from tagger.cli.progress import TrainingProgress
    from tagger.training.checkpoint import Checkpoints
    from tagger.training.run import train

    with TrainingProgress(sys.stderr) as progress:

        def show(event: "Event") -> None:
            with writing("standard error"):  # its disk may be full too
                progress.show(event)

        try:
            return train(config, out, listener=show, resume=resume, allow_changes=allow_changes)
        except (KeyboardInterrupt, Terminated, TaggerError) as error:
            if progress.has_started:  # what is there is this run's: train takes no folder that holds another's
                checkpoints = Checkpoints(out / "checkpoints", keep=0)
                for name in checkpoints.names()[-1:]:
                    error.add_note(f"--resume goes on from {checkpoints.folder / name}")
                if (out / "model").is_dir():
                    error.add_note(f"the best model so far is {out / 'model'}")
            raise
