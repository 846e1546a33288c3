"""`tagger data check | stats | convert | suspects`: what is wrong with a corpus, other ways to write it."""

import argparse

from tagger.cli import data_check, data_convert, data_stats, data_suspects

SUMMARY = "check, describe or convert a corpus, or list suspect annotation"
DESCRIPTION = """\
Looks at data before anything is trained on them:

  tagger data check train.conll dev.conll test.conll
  tagger data stats configs/pos_ewt.yaml
  tagger data convert train.iob train.jsonl --scheme IOB1 --to-scheme BIO
  tagger data suspects configs/pos_ewt.yaml

tagger data ACTION --help says more."""

_ACTIONS = {"check": data_check, "stats": data_stats, "convert": data_convert, "suspects": data_suspects}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, module in _ACTIONS.items():
        action = actions.add_parser(
            name,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(action)
        action.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    _ACTIONS[options.action].run(options)
