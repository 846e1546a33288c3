"""The `tagger` command: finds the verb, runs it, and turns errors into one line and an exit code.

Exit codes: 0 done; 2 usage or config; 65 bad data or model; 66 missing input; 70 a defect of tagger; 74 output
cannot be written; 130 interrupted; 141 the reader of our output went away; 143 terminated.
"""

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from tagger.cli import compare, config, data, evaluate, predict, train
from tagger.cli.common import abandon_standard_output, standard_output
from tagger.errors import ConfigError, TaggerError
from tagger.training.signals import Terminated, terminate

VERBS = {
    "train": train,
    "predict": predict,
    "evaluate": evaluate,
    "compare": compare,
    "config": config,
    "data": data,
}
INTERRUPTED, BROKEN_PIPE, TERMINATED, DEFECT = 130, 141, 143, 70


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are ConfigErrors, so that they too are one line."""

    def error(self, message: str) -> NoReturn:
        """Raises instead of printing the usage and leaving."""
        raise ConfigError(f"{message} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; imports neither torch nor datasets."""
    from tagger import __version__

    parser = _Parser(
        prog="tagger",
        description="Trains sequence taggers, tags text with them, and says how good they are.",
        epilog="tagger VERB --help says more. Exit codes: 0 done, 2 usage or config, 65 bad data or model, 66 missing "
        "input, 70 a defect of tagger, 74 output cannot be written, 130 interrupted, 143 terminated.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tagger {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, module in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        help_action = train.SettingsHelp if module is train else "help"
        verb.add_argument("-h", "--help", action=help_action, help="show this help and leave")
        module.add_arguments(verb)
        verb.add_argument("--debug", action="store_true", help="show the traceback of an error")
        verb.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: the words after `tagger`; those of this process by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        with _ending_on_sigterm():
            _run(words)
    except TaggerError as error:
        if debug:
            raise
        return _fail(_with_notes(str(error), error), error.exit_code)
    except KeyboardInterrupt as error:
        return _fail(_with_notes("interrupted", error), INTERRUPTED)
    except Terminated as error:
        return _fail(_with_notes("terminated", error), TERMINATED)
    except BrokenPipeError:
        abandon_standard_output()  # what reads our output has seen enough
        return BROKEN_PIPE
    except Exception as error:
        if debug:
            raise
        return _fail(f"a defect of tagger: {type(error).__name__}: {error} (--debug shows the traceback)", DEFECT)
    return 0


def _run(words: Sequence[str]) -> None:
    options, settings = _split_settings(words)
    try:
        parsed, unknown = build_parser().parse_known_args(options)
    except SystemExit:  # --help or --version has been printed
        with standard_output():
            return
    if unknown:
        raise ConfigError(f"unrecognized arguments: {' '.join(unknown)} (see tagger {parsed.verb} --help)")
    if settings and parsed.verb not in ("train", "config", "data"):
        raise ConfigError(f"{settings[0]}: only train, config and data take settings")
    parsed.settings = settings
    parsed.run(parsed)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Lets SIGTERM end the command in order, with what is half written removed, unless somebody else handles it."""
    is_ours = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _with_notes(message: str, error: BaseException) -> str:
    """A message, and what was noted on the error's way here."""
    return "; ".join([message, *getattr(error, "__notes__", ())])


def _fail(message: str, code: int) -> int:
    one_line = " ".join(message.split("\n"))
    try:
        print(f"tagger: {one_line}", file=sys.stderr, flush=True)
    except OSError:  # its disk is full too: the code must say it alone, and Python's last flush must not change it
        sys.stderr = io.StringIO()
    return code


def _split_settings(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes the settings (`--section.key VALUE`, `--section.key=VALUE`) out of the command line."""
    options: list[str] = []
    settings: list[str] = []
    rest = iter(words)
    for word in rest:
        key, equals, _ = word.partition("=")
        if word == "--":
            options += [word, *rest]
        elif not (key.startswith("--") and "." in key):
            options.append(word)
        elif equals:
            settings.append(word)
        else:
            value = next(rest, "--")
            if value.startswith("--"):
                raise ConfigError(f"{key}: needs a value")
            settings += [key, value]
    return options, settings
