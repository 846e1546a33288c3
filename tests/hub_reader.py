"""What the tests of the Hub share: a process that holds the real clients, and Parquet files as `datasets` writes them.

The clients read their environment at import, and importing them takes seconds, so one other process answers many
questions, in order.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

ROOT = Path(__file__).parents[1]

# One question a line in, one answer a line out.
RUNNER = """
import contextlib, io, json, os, pathlib, sys

def load_hub(arguments):
    from tagger.data.hub import load_hub
    if "labels_file" in arguments:
        arguments["labels"] = pathlib.Path(arguments.pop("labels_file"))
    data = load_hub(arguments.pop("name"), **arguments)
    rows = {key: [[s.tokens, s.tags, s.source] for s in value] for key, value in data.splits.items()}
    return {"commit": data.commit, "splits": rows, "labels": data.labels}

def main(words):
    from tagger.cli.main import main
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as out:
        with contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(words)
    out.seek(0)
    return {"code": code, "out": out.read(), "err": err.getvalue()}

def predict(arguments):
    import tagger
    predictor = tagger.load(arguments["model"], device="cpu")
    found = predictor.predict(arguments["sentences"])
    return [[prediction.tags, prediction.confidence] for prediction in found]

def locate_model(name):
    from tagger.inference.hub_models import locate_model
    return str(locate_model(name))

def upload(arguments):
    from huggingface_hub import HfApi
    HfApi().create_repo(arguments["repo_id"], exist_ok=True, repo_type=arguments["repo_type"])
    return HfApi().upload_folder(**arguments).oid

def set_waiting(seconds):
    from huggingface_hub import constants
    constants.HF_HUB_DOWNLOAD_TIMEOUT = seconds

def set_environment(changes):
    for name, value in changes.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value

if "--impatient" in sys.argv:  # the clients wait between their tries, and try datasets' streams 20 times
    import time
    import datasets
    time.sleep = lambda seconds: None
    datasets.config.STREAMING_READ_MAX_RETRIES = datasets.config.STREAMING_OPEN_MAX_RETRIES = 2

answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    verb, argument = json.loads(line)
    try:
        answer = globals()[verb](argument)
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error), "chained": error.__cause__ is not None}
    print(json.dumps(answer), flush=True, file=answers)
"""


class Reader:
    """A process that holds the real clients and answers questions in order.

    Args:
        environment: the process's; see `FakeHub.environment`.
        impatient: leave out the clients' pauses between their tries.
    """

    def __init__(self, environment: Mapping[str, str], *, impatient: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *(["--impatient"] if impatient else [])],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, name: str, splits: Mapping[str, str] | None = None, **arguments: object) -> Any:
        """What `load_hub` returns or raises."""
        question = {"name": name, "config": None, "revision": None, "splits": splits or {"train": "train"}}
        return self.call("load_hub", {**question, "scheme": "BIO", **arguments})

    def call(self, verb: str, argument: object) -> Any:
        """What a function of RUNNER returns or raises."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([verb, argument]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the reading process ended early"
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@contextmanager
def reading(environment: Mapping[str, str], *, impatient: bool = False) -> Iterator[Reader]:
    """A Reader that is closed again."""
    reader = Reader(environment, impatient=impatient)
    try:
        yield reader
    finally:
        reader.close()


def message_of(answer: Any, error: str) -> str:
    """The one line of an error of this class, which the answer must be."""
    assert answer.get("error") == error, answer
    message = str(answer["message"])
    assert "\n" not in message
    return message


def table(
    tokens: object,
    tags: object = None,
    *,
    names: Sequence[str] | None = None,
    column: str = "tags",
    also: Mapping[str, tuple[object, Sequence[str]]] | None = None,
    more: Mapping[str, object] | None = None,
) -> bytes:
    """A Parquet file with columns of tokens and tags.

    Args:
        tokens: a list of strings a row.
        tags: a list of tags a row.
        names: the names of the tags, which are class labels then, as `datasets` notes it in the file's schema.
        column: what the column of tags is called.
        also: further columns of class labels, each with its names.
        more: further columns; strings where there are class labels.
    """
    columns = {"tokens": tokens, **({} if tags is None else {column: tags}), **(more or {})}
    labels = {**({} if names is None else {column: (tags, names)}), **(also or {})}
    columns.update({key: rows for key, (rows, _) in labels.items()})
    content = pyarrow.table({key: pyarrow.array(rows) for key, rows in columns.items()})
    if labels:
        features: dict[str, object] = {
            key: {"feature": {"names": list(own), "_type": "ClassLabel"}, "_type": "List"}
            for key, (_, own) in labels.items()
        }
        features["tokens"] = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
        features.update({key: {"dtype": "string", "_type": "Value"} for key in more or {}})
        note = {"info": {"features": features}}
        content = content.replace_schema_metadata({"huggingface": json.dumps(note)})
    file = io.BytesIO()
    parquet.write_table(content, file)
    return file.getvalue()
