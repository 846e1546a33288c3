"""Fetches the WNUT-17 corpus of emerging entities and makes its sentence separators blank lines.

    python data_scripts/fetch_wnut17.py

Derczynski, Nichols, van Erp, Limsopatham (2017), "Results of the WNUT2017 Shared Task on Novel and Emerging Entity
Recognition". The published train file separates sentences by lines that hold one tab. Each download is held against
the git blob sha1 that GitHub's API lists, before its separators are changed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from download import (
    MISSING,
    FetchError,
    RemoteFile,
    check_pin,
    describe,
    download,
    list_files,
    parse_pins,
    read_existing,
    sha256,
    write,
)

FILES = {"train": "wnut17train.conll", "dev": "emerging.dev.conll", "test": "emerging.test.annotated"}
BASE_URL = "https://raw.githubusercontent.com/leondz/emerging_entities_17"
API_URL = "https://api.github.com/repos/leondz/emerging_entities_17"

# The files that this project's numbers are measured on. Whether today's upstream still gives them is for the script
# to find out and say, so a difference is reported and is no error; `--sha256` makes it one.
MEASURED = {
    "train": "707d8fbadf7ab186e7998fdcbea41470d25d0a453049f531d0c8d0c810a8d8cb",
    "dev": "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
    "test": "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
}
NOTES = ".upstream.json"  # which upstream blob each of our files was made from


def normalise(content: bytes) -> tuple[bytes, int]:
    """Ends every sentence with exactly one blank line.

    Returns:
        The new content, and how many separator lines held blanks or tabs.
    """
    kept: list[bytes] = []
    changed = 0
    for line in content.split(b"\n"):
        if line.strip(b" \t\r"):
            kept.append(line)
            continue
        changed += line != b""
        if kept and kept[-1]:
            kept.append(b"")
    if kept and kept[-1]:
        kept.append(b"")
    return b"".join(line + b"\n" for line in kept), changed


def read_notes(folder: Path) -> dict[str, dict[str, str]]:
    """What the last run noted; nothing where the notes are missing or damaged, so that files are fetched again."""
    try:
        notes = json.loads(read_existing(folder / NOTES) or b"{}")
    except ValueError:
        return {}
    return notes if isinstance(notes, dict) else {}


def fetch_split(path: Path, remote: RemoteFile, pin: str | None, *, noted: object) -> tuple[bytes, str]:
    """Makes `path` hold the normalised remote file, unless it does; returns its content and what was done."""
    existing = read_existing(path)
    if existing is not None and noted == {"blob": remote.blob, "sha256": sha256(existing)}:
        check_pin(path, existing, pin)
        return existing, "already there"
    content, changed = normalise(download(remote))
    check_pin(path, content, pin)
    write(path, content)
    return content, f"{'fetched' if existing is None else 'replaced'}, {changed} separator lines made blank"


def fetch(options: argparse.Namespace) -> None:
    """Fetches what the command line asks for and prints a line per file."""
    pins = parse_pins(options.sha256, tuple(FILES))
    files = list_files(options.api_url, base_url=options.base_url, ref=options.ref)
    notes = read_notes(options.out)
    for split, name in FILES.items():
        if name not in files:
            raise FetchError(f"{options.api_url} at {options.ref}: no file {name}", MISSING)
        path = options.out / f"{split}.conll"
        content, note = fetch_split(path, files[name], pins.get(split), noted=notes.get(path.name))
        notes[path.name] = {"blob": files[name].blob, "sha256": sha256(content)}
        write(options.out / NOTES, json.dumps(notes, indent=1).encode())
        same = "the file" if sha256(content) == MEASURED[split] else "NOT the file"
        print(f"{describe(path, content, note)}; {same} that this project's numbers are measured on")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads the command line."""
    measured = " ".join(f"{split}={digest}" for split, digest in MEASURED.items())
    parser = argparse.ArgumentParser(
        prog="fetch_wnut17.py",
        description="Fetch the WNUT-17 corpus (CC BY 4.0) as train.conll, dev.conll and test.conll: token, tab, tag, "
        "and a blank line after each sentence. The published train file separates sentences by lines that hold one "
        "tab; such lines are made blank, and counted.",
        epilog="Every download is checked against the git blob sha1 that GitHub's API lists for it; that proves that "
        "it is what the repository holds now, not that it never changed. To require a content of the written files, "
        f"pin it: those that this project's numbers are measured on have the sha256 {measured}. "
        "Exit codes: 0 done, 2 usage, 65 content differs from its hash, 66 not there or not reachable, 74 cannot be "
        "written.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/wnut17"), help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("--ref", default="master", help="branch, tag or commit (default: %(default)s)")
    parser.add_argument(
        "--sha256",
        action="append",
        default=[],
        metavar="SPLIT=HEX",
        help="also require this sha256 of a written split; may be repeated",
    )
    parser.add_argument("--base-url", default=BASE_URL, help="where raw files are (default: %(default)s)")
    parser.add_argument("--api-url", default=API_URL, help="where the repository is listed (default: %(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Runs the script; returns its exit code."""
    try:
        fetch(parse(arguments))
    except FetchError as error:
        print(f"fetch_wnut17.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
