"""Fetches a Universal Dependencies treebank at a release, with its licence.

    python data_scripts/fetch_ud.py UD_English-EWT --out data/ewt

GitHub's API lists the treebank's files with their git blob sha1, and every download is held against it. A split that
the repository keeps in several parts (`de_hdt-ud-train-a-1.conllu`, ...) becomes one file, in the order of the names.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from download import (
    BAD_DATA,
    MISSING,
    FetchError,
    RemoteFile,
    check_pin,
    describe,
    download,
    holds,
    list_files,
    parse_pins,
    read_existing,
    write,
)

SPLITS = ("train", "dev", "test")
LICENCES = ("LICENSE.txt", "LICENSE", "LICENSE.md")
BASE_URL = "https://raw.githubusercontent.com/UniversalDependencies"
API_URL = "https://api.github.com/repos/UniversalDependencies"


def split_files(files: dict[str, RemoteFile], split: str) -> list[RemoteFile]:
    """The files of a split, in the order in which they make one: a single one, or parts."""
    pattern = re.compile(rf"[a-z0-9_]+-ud-{split}(-[\w-]+)?\.conllu")
    return [files[name] for name in sorted(files) if pattern.fullmatch(name)]


def fetch_file(path: Path, remotes: Sequence[RemoteFile], pin: str | None) -> tuple[bytes, str]:
    """Makes `path` hold these remote files, unless it does; returns its content and what was done."""
    existing = read_existing(path)
    if existing is not None and holds(existing, remotes):
        check_pin(path, existing, pin)
        return existing, "already there"
    content = b"".join(download(remote) for remote in remotes)
    check_pin(path, content, pin)
    write(path, content)
    return content, "fetched" if existing is None else "replaced"


def fetch(options: argparse.Namespace) -> None:
    """Fetches what the command line asks for and prints a line per file."""
    pins = parse_pins(options.sha256, SPLITS)
    files = list_files(
        f"{options.api_url}/{options.treebank}", base_url=f"{options.base_url}/{options.treebank}", ref=options.tag
    )
    found = {split: remotes for split in SPLITS if (remotes := split_files(files, split))}
    if not found:
        raise FetchError(f"{options.treebank} at {options.tag}: no .conllu files of train, dev or test", MISSING)
    for split in SPLITS:
        if split in found:
            path = options.out / f"{split}.conllu"
            content, note = fetch_file(path, found[split], pins.get(split))
            print(describe(path, content, note))
        elif split in pins:
            raise FetchError(f"{options.treebank} at {options.tag}: pinned, but has no {split} split", BAD_DATA)
        else:
            print(f"{options.treebank} at {options.tag} has no {split} split")
    licence = next((files[name] for name in LICENCES if name in files), None)
    if licence is None:
        print(f"{options.treebank} at {options.tag} has no licence file: look at its README before you use it")
        return
    content, note = fetch_file(options.out / "LICENSE.txt", [licence], None)
    lines = (line.strip() for line in content.decode("utf-8", errors="replace").split("\n"))
    print(f"{options.out / 'LICENSE.txt'}: {len(content)} bytes ({note}): {next(filter(None, lines), 'empty')}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="fetch_ud.py",
        description="Fetch train, dev and test of a Universal Dependencies treebank, and its licence, into a folder.",
        epilog="Every file is checked against the git blob sha1 that GitHub's API lists for it at the tag, written "
        "aside, and renamed; a file that is already right is kept. Exit codes: 0 done, 2 usage, 65 content differs "
        "from its hash, 66 not there or not reachable, 74 cannot be written.",
    )
    parser.add_argument("treebank", help="its repository's name, such as UD_English-EWT")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to, such as data/ewt")
    parser.add_argument("--tag", default="r2.16", help="release tag (default: %(default)s)")
    parser.add_argument(
        "--sha256",
        action="append",
        default=[],
        metavar="SPLIT=HEX",
        help="also require this sha256 of a written split, such as train=90ab...; may be repeated",
    )
    parser.add_argument("--base-url", default=BASE_URL, help="where raw files are (default: %(default)s)")
    parser.add_argument("--api-url", default=API_URL, help="where repositories are listed (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not re.fullmatch(r"UD_[A-Za-z0-9_]+-[A-Za-z0-9_]+", options.treebank):
        parser.error(f"{options.treebank!r} is no treebank's name (expected one such as UD_English-EWT)")
    return options


def main(arguments: Sequence[str]) -> int:
    """Runs the script; returns its exit code."""
    try:
        fetch(parse(arguments))
    except FetchError as error:
        print(f"fetch_ud.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
