"""`tagger config CONFIG`: validates a config and prints it resolved."""

import argparse

from tagger.cli.common import add_preset_option, given, print_text

SUMMARY = "check a config and print it with every default filled in"
DESCRIPTION = """\
Checks a config and prints it as YAML with every default filled in and every path absolute:

  tagger config configs/pos_sample.yaml
  tagger config configs/pos_sample.yaml --model.head crf
  tagger config my.yaml --preset fast

Any setting can be given as --section.key VALUE; `tagger train --help` lists them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("config", metavar="CONFIG", type=given, help="a YAML file")
    add_preset_option(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    from tagger.config_file import dump_config, load_config

    print_text(dump_config(load_config(options.config, options.settings, preset=options.preset)))
