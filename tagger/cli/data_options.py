"""How the verbs of `tagger data` are told where sentences are: a config, or files and what they hold."""

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tagger.cli.common import column_or_key, given, given_path
from tagger.errors import ConfigError

if TYPE_CHECKING:
    from tagger.config import DataConfig

SPLITS = ("train", "dev", "test")
FORMATS = ("conll", "conllu", "jsonl")

_BY_SUFFIX = {".conllu": "conllu", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
    "test": "test",
    "testa": "dev",  # CoNLL-2003
    "testb": "test",
}


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds CONFIG | FILES and what says how files are read."""
    parser.add_argument(
        "inputs",
        metavar="CONFIG | FILE",
        nargs="*",
        type=given,
        help="a config (.yaml, .yml), or one to three files: the splits that their names tell (train, dev, test), else "
        "train, dev and test in this order",
    )
    for split in SPLITS:
        parser.add_argument(f"--{split}", metavar="FILE", type=given, help=f"the {split} split")
    add_format_options(parser)
    parser.add_argument(
        "--scheme", help="how the tags of files spell spans, or plain; default: the one that most sentences follow"
    )


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Adds what says how files are read."""
    group = parser.add_argument_group("how files are read (a config says it by itself)")
    group.add_argument(
        "--from",
        dest="source_format",
        choices=FORMATS,
        help="default: by the file's ending (.conllu, .jsonl, .conll, each also with .gz), else conll",
    )
    group.add_argument("--tokens", metavar="WHERE", help="column or key of the tokens; default: column 1, or tokens")
    group.add_argument(
        "--tags",
        metavar="WHERE",
        help="column, key, UPOS, XPOS or a key of MISC; default: the last column, the key tags, UPOS",
    )
    group.add_argument("--delimiter", choices=("auto", "tab", "space"), help="conll: what separates columns")
    group.add_argument("--header", action="store_true", help="conll: the first line names the columns")
    group.add_argument("--comments", metavar="PREFIX", help='conll: lines to skip between sentences, such as "# "')
    group.add_argument("--unknown-tag", metavar="TAG", help="the tag that stands where nobody knows the tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedData:
    """What the command line says about the data.

    Attributes:
        data: the data section that it describes, or that its config holds.
        is_guessed: whether its scheme is a guess.
        lowercase: whether the words of the data are looked up in lower case.
    """

    data: "DataConfig"
    is_guessed: bool = False
    lowercase: bool = True


def describe_splits(options: argparse.Namespace) -> DescribedData:
    """The data that the command line names.

    Raises:
        ConfigError: options that do not suit each other, or files whose splits cannot be told.
        MissingInputError: there is no such config.
    """
    named = {split: getattr(options, split) for split in SPLITS if getattr(options, split)}
    if "-" in (*options.inputs, *named.values()):
        raise ConfigError("-: standard input is not read here; give a file, or /dev/stdin with --scheme and --from")
    if len(options.inputs) == 1 and Path(options.inputs[0]).suffix.lower() in (".yaml", ".yml"):
        return _read_config(options, named)
    if options.settings:
        raise ConfigError(f"{options.settings[0]}: only a config takes settings; files are described by options")
    if options.inputs and named:
        raise ConfigError("give files by themselves or by --train, --dev and --test, not both")
    if not options.inputs and not named:
        raise ConfigError(f"expected a config or files (see tagger data {options.action} --help)")
    paths = named or _name_splits(options.inputs)
    formats = {_format_of(path) for path in paths.values()}
    if options.source_format is None and len(formats) > 1:
        raise ConfigError("--from: the files' endings tell different formats; say which one it is")
    data = replace(describe_format(options, options.source_format or formats.pop()), **paths)
    if options.scheme is not None:
        return DescribedData(data=data)
    from tagger.data.lint import guess_scheme

    first = next(iter(paths.values()))
    if Path(first).exists() and not (Path(first).is_file() or Path(first).is_dir()):
        raise ConfigError(f"--scheme: {first} is no file that could be read twice, so say what its scheme is")
    return DescribedData(data=replace(data, scheme=guess_scheme(data)), is_guessed=True)


def describe_format(options: argparse.Namespace, source_format: str) -> "DataConfig":
    """How files of a format are to be read, by the options of `add_format_options` and --scheme.

    Raises:
        ConfigError: an option that does not suit the format.
    """
    from tagger.config import DataConfig, SchemeName

    if options.scheme is not None and options.scheme not in get_args(SchemeName):
        raise ConfigError(f"--scheme: expected one of {', '.join(get_args(SchemeName))}, got {options.scheme}")
    for option in ("delimiter", "header", "comments"):
        if getattr(options, option) and source_format != "conll":
            raise ConfigError(f"--{option}: has no effect on {source_format}; leave it out")
    if options.tokens is not None and source_format == "conllu":
        raise ConfigError("--tokens: has no effect on conllu; leave it out")
    data = DataConfig(
        format=source_format,  # type: ignore[arg-type]
        scheme=options.scheme or "plain",
        delimiter=options.delimiter or "auto",
        header=options.header,
        comments=options.comments,
        unknown_tag=options.unknown_tag,
    )
    places: dict[str, Any] = {
        name: column_or_key(getattr(options, name), option=f"--{name}", data=data)
        for name in ("tokens", "tags")
        if getattr(options, name) is not None
    }
    return replace(data, **places)


def format_of(path: Path) -> str:
    """The format that a file's ending tells; columns have many."""
    return _BY_SUFFIX.get(Path(path.name.lower().removesuffix(".gz")).suffix, "conll")


def _format_of(path: str) -> str:
    return format_of(given_path(path))


def _read_config(options: argparse.Namespace, named: dict[str, str]) -> DescribedData:
    from tagger.config_file import load_config

    described = ("source_format", "tokens", "tags", "scheme", "delimiter", "header", "comments", "unknown_tag")
    for name in (*named, *(name for name in described if getattr(options, name))):
        option = "from" if name == "source_format" else name.replace("_", "-")
        key = "format" if option == "from" else option.replace("-", "_")
        raise ConfigError(f"--{option}: a config says that by itself; use --data.{key}")
    config = load_config(options.inputs[0], options.settings)
    return DescribedData(data=config.data, lowercase=config.features.words.lowercase)


def _name_splits(files: list[str]) -> dict[str, str]:
    """Which split each file is: as the names tell if they tell it of all, else by the order."""
    if len(files) > len(SPLITS):
        raise ConfigError(f"{len(files)} files, but there are three splits: name them with --train, --dev and --test")
    told = [_split_of(file) for file in files]
    if None not in told and len(set(told)) == len(files):
        found = {str(split): file for split, file in zip(told, files, strict=True)}
        return {split: found[split] for split in SPLITS if split in found}
    if len(files) > 1 and any(told):
        raise ConfigError("which file is which split? Their names do not tell: use --train, --dev and --test")
    return dict(zip(SPLITS, files, strict=False))


def _split_of(file: str) -> str | None:
    words = re.split(r"[^a-z]+", Path(file).name.lower())
    told = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    return told.pop() if len(told) == 1 else None
