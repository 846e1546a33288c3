"""`tagger train CONFIG --out RUN`: trains a tagger; progress goes to standard error, the report to standard output."""

import argparse
import sys

from tagger.cli.common import given, given_path, print_text
from tagger.errors import TaggerError

SUMMARY = "train a tagger"
DESCRIPTION = """\
Trains the tagger that CONFIG describes and leaves it in RUN, with its metrics and its report:

  tagger train configs/pos_sample.yaml --out runs/pos
  tagger train configs/pos_ewt.yaml --out runs/ewt --data.train my/train.conllu --training.num_epochs 5

Any setting of the config can be given as --section.key VALUE; they are listed below.
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
    parser.add_argument("--out", metavar="RUN", required=True, type=given_path, help="the run folder to fill")


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    from tagger.config_file import load_config

    config = load_config(options.config, options.settings)
    # torch takes seconds to import: a wrong config is reported before that
    from tagger.cli.progress import TrainingProgress
    from tagger.evaluation.render import render_text
    from tagger.training.run import train

    with TrainingProgress(sys.stderr) as progress:
        try:
            report = train(config, options.out, listener=progress.show)
        except (KeyboardInterrupt, TaggerError) as error:
            model = options.out / "model"
            if progress.has_started and model.is_dir():  # this run's: train takes no folder that holds another's
                error.add_note(
                    f"the model of the best epoch so far is in {model}; "
                    f"to start afresh, remove {options.out} or choose another --out"
                )
            raise
    print_text(render_text(report))
    print(f"The model and the report are in {options.out}", file=sys.stderr)
