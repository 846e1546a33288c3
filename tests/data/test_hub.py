"""Hugging Face datasets, read by the real clients from a Hub on 127.0.0.1.

The clients read their environment at import, and importing them takes seconds, so one other process answers every
question of this file. `answers` maps the name of a question to what `load_hub` returned or raised.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from tests.fakehub import FakeHub

ROOT = Path(__file__).parents[2]
NAMES = ["O", "B-PLACE", "I-PLACE"]
TOKENS = [["Rain", "in", "Upper", "Marl"], ["Nobody", "came"], ["Marl", "sleeps"]]
IDS = [[0, 0, 1, 2], [0, 0], [1, 0]]
TAGS = [["O", "O", "B-PLACE", "I-PLACE"], ["O", "O"], ["B-PLACE", "O"]]

# One question a line in, one answer a line out.
RUNNER = """
import json, pathlib, sys
from tagger.data.hub import load_hub

for line in sys.stdin:
    arguments = json.loads(line)
    if "labels_file" in arguments:
        arguments["labels"] = pathlib.Path(arguments.pop("labels_file"))
    try:
        data = load_hub(arguments.pop("name"), **arguments)
        rows = {key: [[s.tokens, s.tags, s.source] for s in value] for key, value in data.splits.items()}
        answer = {"commit": data.commit, "splits": rows}
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error), "chained": error.__cause__ is not None}
    print(json.dumps(answer), flush=True)
"""


def table(tokens: object, tags: object = None, *, names: Sequence[str] | None = None) -> bytes:
    """A Parquet file; with `names`, its tags are class labels, as `datasets` notes it in the file's schema."""
    columns = {"tokens": pyarrow.array(tokens)}
    if tags is not None:
        columns["tags"] = pyarrow.array(tags)
    content = pyarrow.table(columns)
    if names is not None:
        labels = {"feature": {"names": list(names), "_type": "ClassLabel"}, "_type": "List"}
        words = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
        note = {"info": {"features": {"tokens": words, "tags": labels}}}
        content = content.replace_schema_metadata({"huggingface": json.dumps(note)})
    file = io.BytesIO()
    parquet.write_table(content, file)
    return file.getvalue()


class Reader:
    """A process that holds the real clients and answers questions in order."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, name: str, splits: Mapping[str, str] | None = None, **arguments: object) -> None:
        question = {"name": name, "config": None, "revision": None, "splits": splits or {"train": "train"}}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**question, "scheme": "BIO", **arguments}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the reading process ended early"
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        fill(hub)
        yield hub


def fill(hub: FakeHub) -> None:
    labelled = table(TOKENS, IDS, names=NAMES)
    hub.commit("marl/labelled", {"data/train-00000.parquet": labelled, "data/validation-00000.parquet": labelled})
    hub.commit("marl/strings", {"train.parquet": table(TOKENS, TAGS)})
    hub.commit("marl/ints", {"train.parquet": table(TOKENS, IDS)})
    label_json = json.dumps({"B-PLACE": 1, "O": 0, "I-PLACE": 2}).encode()
    hub.commit("marl/ints-named", {"train.parquet": table(TOKENS, IDS), "dataset/label.json": label_json})
    other = ["B-PLACE", "I-PLACE", "O"]
    swapped = table(TOKENS, [[other.index(tag) for tag in tags] for tags in TAGS], names=other)
    hub.commit("marl/swapped", {"train.parquet": labelled, "test.parquet": swapped})
    hub.commit("marl/shards", {"train-00000.parquet": labelled, "train-00001.parquet": swapped})
    unknown = [[tag.replace("I-PLACE", "_") for tag in tags] for tags in TAGS]
    hub.commit("marl/unknown", {"train.parquet": table(TOKENS, unknown)})
    hub.commit("marl/unknown-named", {"train.parquet": table(TOKENS, IDS, names=["O", "B-PLACE", "_"])})
    hub.commit("marl/script", {"script.py": b"raise SystemExit"})
    hub.commit("marl/script", {"default/train/0000.parquet": labelled}, revision="refs/convert/parquet")
    hub.commit("marl/minus", {"train.parquet": table(TOKENS, [[0, 0, 1, 2], [0, -1], [1, 0]], names=NAMES)})
    hub.commit("marl/beyond", {"train.parquet": table(TOKENS, [[0, 0, 1, 2], [0, 0], [7, 0]])})
    hub.commit("marl/short", {"train.parquet": table(TOKENS, [[0, 0, 1, 2], [0], [1, 0]], names=NAMES)})
    hub.commit("marl/null", {"train.parquet": table([["a", "b"], ["c", None]], [["O", "O"], ["O", "O"]])})
    hub.commit("marl/empty", {"train.parquet": table([["a"], ["b", ""]], [["O"], ["O", "O"]])})
    hub.commit("marl/nulltag", {"train.parquet": table([["a", "b"], ["c", "d"]], [["O", "O"], ["O", None]])})
    hub.commit("marl/text", {"train.parquet": table(["Rain in Marl"], [["O"]])})
    hub.commit("marl/damaged", {"train.parquet": b"PAR1 and then nothing"})
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train.parquet\n" for name in "ab"
    )
    files = {f"{name}/train.parquet": table([[name]], [["O"]]) for name in "ab"}
    hub.commit("marl/configs", {"README.md": f"{card}---\n".encode(), **files})
    hub.commit("marl/rows", {"train.jsonl": b'{"tokens": ["Rain"], "tags": ["O"]}\n'})


QUESTIONS: dict[str, dict[str, Any]] = {
    "labelled": {"name": "marl/labelled", "splits": {"train": "train", "dev": "validation"}},
    "labelled streaming": {
        "name": "marl/labelled",
        "splits": {"train": "train", "dev": "validation"},
        "streaming": True,
    },
    "strings": {"name": "marl/strings"},
    "untagged": {"name": "marl/strings", "tags": None},
    "ints, list": {"name": "marl/ints", "labels": NAMES},
    "ints, label.json": {"name": "marl/ints-named"},
    "ints, no names": {"name": "marl/ints"},
    "labels for strings": {"name": "marl/strings", "labels": NAMES},
    "swapped": {"name": "marl/swapped", "splits": {"train": "train", "test": "test"}},
    "swapped streaming": {"name": "marl/swapped", "splits": {"train": "train", "test": "test"}, "streaming": True},
    "shards": {"name": "marl/shards"},
    "script": {"name": "marl/script"},
    "converted": {"name": "marl/script", "revision": "refs/convert/parquet"},
    "minus": {"name": "marl/minus"},
    "minus streaming": {"name": "marl/minus", "streaming": True},
    "beyond": {"name": "marl/beyond", "labels": NAMES},
    "short": {"name": "marl/short"},
    "null": {"name": "marl/null"},
    "empty token": {"name": "marl/empty"},
    "nulltag": {"name": "marl/nulltag"},
    "scheme": {"name": "marl/strings", "scheme": "IO"},
    "text": {"name": "marl/text"},
    "damaged": {"name": "marl/damaged"},
    "unknown": {"name": "marl/unknown", "unknown": "_"},
    "unknown label": {"name": "marl/unknown-named", "unknown": "_", "streaming": True},
    "unknown in dev": {"name": "marl/unknown", "unknown": "_", "splits": {"dev": "train"}},
    "no repository": {"name": "marl/nowhere"},
    "bad name": {"name": "marl/no/where"},
    "no revision": {"name": "marl/script", "revision": "v9"},
    "config a": {"name": "marl/configs", "config": "a"},
    "config b": {"name": "marl/configs", "config": "b"},
    "no config": {"name": "marl/configs", "config": "c"},
    "config not given": {"name": "marl/configs"},
    "config invented": {"name": "marl/strings", "config": "c"},
    "no split": {"name": "marl/labelled", "splits": {"dev": "dev"}},
    "no tags column": {"name": "marl/labelled", "tags": "ner_tags"},
    "no tokens column": {"name": "marl/labelled", "tokens": "words", "streaming": True},
    "rows": {"name": "marl/rows"},
    "rows streaming": {"name": "marl/rows", "streaming": True},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf")


@pytest.fixture(scope="module")
def reader(hub: FakeHub, home: Path) -> Iterator[Reader]:
    reader = Reader(hub.environment(home))
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def answers(reader: Reader) -> dict[str, Any]:
    found = {}
    for key, question in QUESTIONS.items():
        reader.ask(**question)
        found[key] = reader.answer()
    return found


def rows(tags: Sequence[Sequence[str]] | None = TAGS, *, where: str) -> list[list[object]]:
    given = [None] * len(TOKENS) if tags is None else tags
    return [[words, own, f"{where}/row {i}"] for i, (words, own) in enumerate(zip(TOKENS, given, strict=True))]


@pytest.mark.parametrize("key", ["labelled", "labelled streaming"])
def test_class_labels_become_their_names(answers: dict[str, Any], key: str) -> None:
    expected = {"train": rows(where="marl/labelled/train"), "dev": rows(where="marl/labelled/validation")}
    assert answers[key]["splits"] == expected


def test_the_commit_is_recorded(hub: FakeHub, answers: dict[str, Any]) -> None:
    assert answers["labelled"]["commit"] == hub.repositories["datasets", "marl/labelled"].refs["main"]
    assert answers["converted"]["commit"] == hub.repositories["datasets", "marl/script"].refs["refs/convert/parquet"]


@pytest.mark.parametrize(
    ("key", "name"),
    [("strings", "strings"), ("ints, list", "ints"), ("ints, label.json", "ints-named"), ("converted", "script")],
)
def test_tags_however_they_are_stored(answers: dict[str, Any], key: str, name: str) -> None:
    assert answers[key]["splits"] == {"train": rows(where=f"marl/{name}/train")}


def test_tags_can_be_left_out(answers: dict[str, Any]) -> None:
    assert answers["untagged"]["splits"] == {"train": rows(None, where="marl/strings/train")}


@pytest.mark.parametrize(("key", "name"), [("unknown", "unknown"), ("unknown label", "unknown-named")])
def test_tags_that_nobody_knows(answers: dict[str, Any], key: str, name: str) -> None:
    tags = [[tag.replace("I-PLACE", "_") for tag in row] for row in TAGS]
    assert answers[key]["splits"] == {"train": rows(tags, where=f"marl/{name}/train")}


@pytest.mark.parametrize("key", ["swapped", "swapped streaming"])
def test_each_split_is_read_by_its_own_names(answers: dict[str, Any], key: str) -> None:
    assert answers[key]["splits"] == {where: rows(where=f"marl/swapped/{where}") for where in ("train", "test")}


def test_configurations(answers: dict[str, Any]) -> None:
    assert answers["config a"]["splits"] == {"train": [[["a"], ["O"], "marl/configs/train/row 0"]]}
    assert answers["config b"]["splits"] == {"train": [[["b"], ["O"], "marl/configs/train/row 0"]]}


@pytest.mark.parametrize("key", ["rows", "rows streaming"])
def test_a_dataset_of_json_lines(answers: dict[str, Any], key: str) -> None:
    assert answers[key]["splits"] == {"train": [[["Rain"], ["O"], "marl/rows/train/row 0"]]}


@pytest.mark.parametrize(
    ("key", "error", "parts"),
    [
        ("ints, no names", "ConfigError", ["data.labels", "'tags'", "marl/ints"]),
        ("labels for strings", "ConfigError", ["data.labels", "leave labels out"]),
        ("shards", "DataError", ["marl/shards/train", "train-00000.parquet", "train-00001.parquet"]),
        ("script", "ConfigError", ["data.revision", "marl/script", "refs/convert/parquet"]),
        ("minus", "DataError", ["marl/minus/train/row 1: tag -1 "]),
        ("unknown in dev", "DataError", ["marl/unknown/train/row 0: the tag is unknown ('_'), but gold must be known"]),
        ("minus streaming", "DataError", ["marl/minus/train/row 1: tag -1 "]),
        ("beyond", "DataError", ["marl/beyond/train/row 2: tag 7 has no name"]),
        ("short", "DataError", ["marl/short/train/row 1: 2 tokens but 1 tags"]),
        ("null", "DataError", ["marl/null/train/row 1: a token is null"]),
        ("empty token", "DataError", ["marl/empty/train/row 1: a token is empty"]),
        ("nulltag", "DataError", ["marl/nulltag/train/row 1: a tag is null"]),
        ("scheme", "DataError", ["marl/strings/train/row 0: 'B-PLACE' is no tag of scheme IO"]),
        ("text", "ConfigError", ["data.tokens", "marl/text/train", "string"]),
        ("damaged", "DataError", ["marl/damaged: cannot be read"]),
        ("no repository", "MissingInputError", ["marl/nowhere: no such dataset"]),
        ("bad name", "ConfigError", ["data.name", "marl/no/where"]),
        ("no revision", "MissingInputError", ["marl/script: no revision 'v9'; there are: main, refs/convert/parquet"]),
        ("no config", "ConfigError", ["data.config: marl/configs has no configuration 'c'; there are: a, b"]),
        ("config not given", "ConfigError", ["data.config: pick one; there are: a, b"]),
        ("config invented", "ConfigError", ["data.config: marl/strings has no configuration 'c'; there are: default"]),
        ("no split", "ConfigError", ["data.splits.dev: marl/labelled has no split 'dev'", ": train, validation"]),
        ("no tags column", "ConfigError", ["data.tags: marl/labelled/train has no column 'ner_tags'", "tags, tokens"]),
        ("no tokens column", "ConfigError", ["data.tokens: marl/labelled/train has no column 'words'"]),
    ],
)
def test_errors_are_one_line_that_says_where(answers: dict[str, Any], key: str, error: str, parts: list[str]) -> None:
    answer = answers[key]
    assert answer.get("error") == error, answer
    assert "\n" not in answer["message"]
    assert [part for part in parts if part not in answer["message"]] == [], answer["message"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('["O", "B-PLACE", "I-PLACE"]', TAGS),
        ('{"I-PLACE": 2, "O": 0, "B-PLACE": 1}', TAGS),
        ("O\nB-PLACE\nI-PLACE\n", TAGS),
        ("[0, 1, 2]", "DataError"),
        ('{"O": 0, "B-PLACE": 0, "I-PLACE": 2}', "DataError"),
        ("[", "DataError"),
        (None, "MissingInputError"),
    ],
)
def test_labels_from_a_file(reader: Reader, tmp_path: Path, content: str | None, expected: object) -> None:
    file = tmp_path / "labels"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    reader.ask("marl/ints", labels_file=str(file))
    answer = reader.answer()
    if isinstance(expected, str):
        assert answer.get("error") == expected, answer
        assert str(file) in answer["message"]
    else:
        assert answer["splits"] == {"train": rows(where="marl/ints/train")}


def test_a_new_commit_is_read_and_an_old_one_can_be_asked_for(hub: FakeHub, reader: Reader) -> None:
    old = hub.commit("marl/moving", {"train.parquet": table([["old"]], [["O"]])})
    reader.ask("marl/moving")
    first = reader.answer()
    new = hub.commit("marl/moving", {"train.parquet": table([["new"]], [["O"]])})
    reader.ask("marl/moving")
    second = reader.answer()
    reader.ask("marl/moving", revision=old)
    third = reader.answer()
    texts = [(answer["commit"], answer["splits"]["train"][0][0]) for answer in (first, second, third)]
    assert texts == [(old, ["old"]), (new, ["new"]), (old, ["old"])]


def test_offline_reads_the_cache(hub: FakeHub, home: Path, answers: dict[str, Any]) -> None:
    offline = Reader(hub.environment(home, HF_HUB_OFFLINE="1"))
    before = len(hub.requests)
    questions = ["labelled", "ints, label.json", "converted", "config b", "swapped", "strings"]
    for key in questions:
        offline.ask(**QUESTIONS[key])
    offline.ask("marl/labelled", revision=answers["labelled"]["commit"])
    offline.ask("marl/nowhere")
    found = [offline.answer() for _ in range(len(questions) + 2)]
    offline.close()
    assert len(hub.requests) == before
    for key, answer in zip(questions, found, strict=False):
        if key != "swapped":
            assert answer == answers[key], key
    # Which of the cached files a split came from is not known offline, and a wrong name would be silent.
    assert found[4].get("error") == "DataError"
    assert found[-2]["splits"] == {"train": answers["labelled"]["splits"]["train"]}
    assert found[-1].get("error") == "MissingInputError"
    assert "HF_HUB_OFFLINE" in found[-1]["message"]


def test_offline_never_takes_another_commit(hub: FakeHub, tmp_path: Path) -> None:
    old = hub.commit("marl/pinned", {"train.parquet": table([["old"]], [["O"]])})
    online = Reader(hub.environment(tmp_path))
    online.ask("marl/pinned")
    assert online.answer()["commit"] == old
    hub.commit("marl/pinned", {"train.parquet": table([["new"]], [["O"]])})
    online.ask("marl/pinned", streaming=True)  # notes the new commit in the cache, without its rows
    assert online.answer()["splits"]["train"][0][0] == ["new"]
    online.close()
    offline = Reader(hub.environment(tmp_path, HF_HUB_OFFLINE="1"))
    offline.ask("marl/pinned")
    answer = offline.answer()
    offline.close()
    assert answer.get("error") == "MissingInputError", answer
    assert old in answer["message"]


def test_a_server_that_is_down_is_one_line(tmp_path: Path) -> None:
    with FakeHub() as hub:
        environment = hub.environment(tmp_path)
    down = Reader(environment)
    down.ask("marl/labelled")
    answer = down.answer()
    down.close()
    assert answer.get("error") == "MissingInputError", answer
    assert answer["message"].startswith(f"marl/labelled: no answer from {environment['HF_ENDPOINT']}")
    assert "\n" not in answer["message"]
    assert answer["chained"]


def test_a_folder_can_be_uploaded(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("own words", encoding="utf-8")
    (tmp_path / "folder" / "train.parquet").write_bytes(table(TOKENS, TAGS))
    code = (
        "import sys; from huggingface_hub import HfApi\n"
        "HfApi().create_repo('tester/new', repo_type='dataset')\n"
        "HfApi().upload_folder(repo_id='tester/new', repo_type='dataset', folder_path=sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "folder")], env=hub.environment(tmp_path / "hf"), check=True
    )
    files = hub.files("tester/new")
    assert files["notes.txt"] == b"own words"
    assert files["train.parquet"] == (tmp_path / "folder" / "train.parquet").read_bytes()
