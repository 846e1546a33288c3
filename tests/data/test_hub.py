"""Hugging Face datasets, read by the real clients from a Hub on 127.0.0.1.

One other process answers every question of this file. `answers` maps the name of a question to what `load_hub` returned
or raised. What goes wrong on the way is in `test_hub_client.py`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakehub import FakeHub
from tests.hub_reader import Reader, message_of, reading, table

NAMES = ["O", "B-PLACE", "I-PLACE"]
TOKENS = [["Rain", "in", "Upper", "Marl"], ["Nobody", "came"], ["Marl", "sleeps"]]
IDS = [[0, 0, 1, 2], [0, 0], [1, 0]]
TAGS = [["O", "O", "B-PLACE", "I-PLACE"], ["O", "O"], ["B-PLACE", "O"]]


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
    types = table(TOKENS, [[0, 0, 1, 1], [0, 0], [2, 0]], names=["O", "place", "place-river"])
    hub.commit("marl/types", {"train.parquet": types})
    several = {f"{config}/{split}/0000.parquet": table([[config, split]], [[1, 2]]) for config, split in CONVERTED}
    hub.commit("marl/several", {"several.py": b"raise SystemExit", "dataset/label.json": label_json})
    hub.commit("marl/several", several, revision="refs/convert/parquet")
    hub.commit("marl/minus", {"train.parquet": table(TOKENS, [[0, 0, 1, 2], [0, -1], [1, 0]], names=NAMES)})
    hub.commit("marl/beyond", {"train.parquet": table(TOKENS, [[0, 0, 1, 2], [0, 0], [7, 0]])})
    hub.commit("marl/short", {"train.parquet": table(TOKENS, [[0, 0, 1, 2], [0], [1, 0]], names=NAMES)})
    hub.commit("marl/null", {"train.parquet": table([["a", "b"], ["c", None]], [["O", "O"], ["O", "O"]])})
    hub.commit("marl/empty", {"train.parquet": table([["a"], ["b", ""]], [["O"], ["O", "O"]])})
    hub.commit("marl/nulltag", {"train.parquet": table([["a", "b"], ["c", "d"]], [["O", "O"], ["O", None]])})
    hub.commit("marl/text", {"train.parquet": table(["Rain in Marl"], [["O"]])})
    hub.commit("marl/nested", {"train.parquet": table([[["Rain"]]], [[[0]]])})
    hub.commit("marl/floats", {"train.parquet": table([["Rain"]], [[0.5]])})
    hub.commit("marl/long", {"train.parquet": table([["w"], ["w"] * 100_001], [["O"], ["O"] * 100_001])})
    hub.commit("marl/damaged", {"train.parquet": b"PAR1 and then nothing"})
    card = "---\nconfigs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train.parquet\n" for name in "ab"
    )
    files = {f"{name}/train.parquet": table([[name]], [["O"]]) for name in "ab"}
    hub.commit("marl/configs", {"README.md": f"{card}---\n".encode(), **files})
    hub.commit("marl/rows", {"train.jsonl": b'{"tokens": ["Rain"], "tags": ["O"]}\n'})


CONVERTED = [("de", "train_de"), ("de", "val_de"), ("en", "train_en"), ("en", "val_en"), ("en", "partial-test_en")]
SEVERAL: dict[str, Any] = {"name": "marl/several", "revision": "refs/convert/parquet"}
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
    "converted en": {**SEVERAL, "config": "en", "splits": {"train": "train_en", "dev": "val_en"}},
    "converted en streaming": {
        **SEVERAL,
        "config": "en",
        "splits": {"train": "train_en", "dev": "val_en"},
        "streaming": True,
    },
    "converted, no config": {**SEVERAL, "config": "fr"},
    "converted, config not given": SEVERAL,
    "converted, no split": {**SEVERAL, "config": "en", "splits": {"train": "train_en", "test": "test_en"}},
    "types": {"name": "marl/types", "scheme": "IO"},
    "types, list": {"name": "marl/ints", "scheme": "IO", "labels": ["O", "place", "river"]},
    "types, BIO": {"name": "marl/types"},
    "minus": {"name": "marl/minus"},
    "minus, unknown": {"name": "marl/minus", "unknown": "_"},
    "minus, unknown in dev": {"name": "marl/minus", "unknown": "_", "splits": {"dev": "train"}},
    "minus streaming": {"name": "marl/minus", "streaming": True},
    "beyond": {"name": "marl/beyond", "labels": NAMES},
    "short": {"name": "marl/short"},
    "null": {"name": "marl/null"},
    "empty token": {"name": "marl/empty"},
    "nulltag": {"name": "marl/nulltag"},
    "scheme": {"name": "marl/strings", "scheme": "IO"},
    "text": {"name": "marl/text"},
    "nested tokens": {"name": "marl/nested", "tags": None},
    "floats": {"name": "marl/floats"},
    "long": {"name": "marl/long"},
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
    with reading(hub.environment(home)) as reader:
        yield reader


@pytest.fixture(scope="module")
def answers(reader: Reader) -> dict[str, Any]:
    return {key: reader.ask(**question) for key, question in QUESTIONS.items()}


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


@pytest.mark.parametrize("key", ["converted en", "converted en streaming"])
def test_folders_of_a_converted_branch_are_configurations_and_splits(
    hub: FakeHub, answers: dict[str, Any], key: str
) -> None:
    expected = {"train": "train_en", "dev": "val_en"}
    assert answers[key]["splits"] == {
        ours: [[["en", theirs], ["B-PLACE", "I-PLACE"], f"marl/several/{theirs}/row 0"]]
        for ours, theirs in expected.items()
    }
    refs = hub.repositories["datasets", "marl/several"].refs
    assert answers[key]["commit"] == refs["refs/convert/parquet"]
    assert answers[key]["labels"] == f"dataset/label.json@{refs['main']}"  # the converted branch has none


def test_names_of_types_are_tags_of_io(answers: dict[str, Any]) -> None:
    tags = [["O", "O", "I-place", "I-place"], ["O", "O"], ["I-place-river", "O"]]
    assert answers["types"]["splits"] == {"train": rows(tags, where="marl/types/train")}
    tags = [["O", "O", "I-place", "I-river"], ["O", "O"], ["I-place", "O"]]
    assert answers["types, list"]["splits"] == {"train": rows(tags, where="marl/ints/train")}


def test_minus_one_is_the_unknown_tag(answers: dict[str, Any]) -> None:
    tags = [TAGS[0], ["O", "_"], TAGS[2]]
    assert answers["minus, unknown"]["splits"] == {"train": rows(tags, where="marl/minus/train")}


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
        ("converted, no config", "ConfigError", ["marl/several has no configuration 'fr'; there are: de, en"]),
        ("converted, config not given", "ConfigError", ["marl/several has several; pick one; there are: de, en"]),
        (
            "converted, no split",
            "ConfigError",
            ["data.splits.test: marl/several has no split 'test_en'; there are: partial-test_en, train_en, val_en"],
        ),
        ("types, BIO", "DataError", ["marl/types/train/row 0: 'place' is no tag of scheme BIO"]),
        ("minus", "DataError", ["marl/minus/train/row 1: tag -1 has no name", "data.unknown_tag"]),
        ("minus, unknown in dev", "DataError", ["marl/minus/train/row 1: the tag is unknown ('_')"]),
        ("unknown in dev", "DataError", ["marl/unknown/train/row 0: the tag is unknown ('_'), but gold must be known"]),
        ("minus streaming", "DataError", ["marl/minus/train/row 1: tag -1 "]),
        ("beyond", "DataError", ["marl/beyond/train/row 2: tag 7 has no name"]),
        ("short", "DataError", ["marl/short/train/row 1: 2 tokens but 1 tags"]),
        ("null", "DataError", ["marl/null/train/row 1: a token is null"]),
        ("empty token", "DataError", ["marl/empty/train/row 1: a token is empty"]),
        ("nulltag", "DataError", ["marl/nulltag/train/row 1: a tag is null"]),
        ("scheme", "DataError", ["marl/strings/train/row 0: 'B-PLACE' is no tag of scheme IO"]),
        ("text", "ConfigError", ["data.tokens", "marl/text/train", "string"]),
        ("nested tokens", "ConfigError", ["data.tokens: column 'tokens' of marl/nested/train holds lists of List("]),
        ("floats", "ConfigError", ["data.tags: column 'tags' of marl/floats holds lists of float64, not of strings"]),
        ("long", "DataError", ["marl/long/train/row 1: expected a row of at most 100,000 tokens, found 100,001"]),
        ("damaged", "DataError", ["marl/damaged: cannot be read"]),
        ("no repository", "MissingInputError", ["marl/nowhere: no such dataset"]),
        ("bad name", "ConfigError", ["data.name", "marl/no/where"]),
        ("no revision", "MissingInputError", ["marl/script: no revision 'v9'; there are: main, refs/convert/parquet"]),
        ("no config", "ConfigError", ["data.config: marl/configs has no configuration 'c'; there are: a, b"]),
        ("config not given", "ConfigError", ["data.config: marl/configs has several; pick one; there are: a, b"]),
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
        ('{"O": [0]}', "DataError"),
        ("[", "DataError"),
        ("[" * 100_000, "DataError"),
        ('{"O": 0, "B-PLACE": 1, "I-PLACE": 2, "O": 3}', "DataError"),
        (None, "MissingInputError"),
    ],
)
def test_labels_from_a_file(reader: Reader, tmp_path: Path, content: str | None, expected: object) -> None:
    file = tmp_path / "labels"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    answer = reader.ask("marl/ints", labels_file=str(file))
    if isinstance(expected, str):
        assert answer.get("error") == expected, answer
        assert str(file) in answer["message"]
    else:
        assert answer["splits"] == {"train": rows(where="marl/ints/train")}


def test_the_linter_reads_tags_as_training_does(reader: Reader, tmp_path: Path) -> None:
    """Types are tags of IO, and -1 is the unknown tag: in train alone, so of two splits one has a finding by row."""
    config = tmp_path / "a.yaml"
    for lines, expected in (
        ("name: marl/types, scheme: IO, splits: {train: train}", {}),
        (
            "name: marl/minus, scheme: BIO, unknown_tag: _, splits: {train: train, test: train}",
            {"bad-tag": ["marl/minus/train/row 1"]},
        ),
    ):
        config.write_text(f"data: {{format: hub, {lines}}}\n", encoding="utf-8")
        found = json.loads(reader.call("main", ["data", "check", str(config), "--json"])["out"])["findings"]
        errors = {each["kind"]: each["examples"] for each in found if each["severity"] == "error"}
        assert {kind: [example["where"] for example in each] for kind, each in errors.items()} == expected


def test_a_new_commit_is_read_and_an_old_one_can_be_asked_for(hub: FakeHub, reader: Reader) -> None:
    old = hub.commit("marl/moving", {"train.parquet": table([["old"]], [["O"]])})
    first = reader.ask("marl/moving")
    new = hub.commit("marl/moving", {"train.parquet": table([["new"]], [["O"]])})
    second = reader.ask("marl/moving")
    third = reader.ask("marl/moving", revision=old)
    texts = [(answer["commit"], answer["splits"]["train"][0][0]) for answer in (first, second, third)]
    assert texts == [(old, ["old"]), (new, ["new"]), (old, ["old"])]


def test_offline_reads_the_cache(hub: FakeHub, home: Path, answers: dict[str, Any]) -> None:
    before = len(hub.requests)
    questions = ["labelled", "ints, label.json", "converted", "config b", "swapped", "strings", "converted en"]
    with reading(hub.environment(home, HF_HUB_OFFLINE="1")) as offline:
        found = [offline.ask(**QUESTIONS[key]) for key in questions]
        found.append(offline.ask("marl/labelled", revision=answers["labelled"]["commit"]))
        found.append(offline.ask("marl/nowhere"))
    assert len(hub.requests) == before
    for key, answer in zip(questions, found, strict=False):
        if key != "swapped":
            assert answer == answers[key], key
    # Which of the cached files a split came from is not known offline, and a wrong name would be silent.
    assert found[4].get("error") == "DataError"
    assert found[-2]["splits"] == {"train": answers["labelled"]["splits"]["train"]}
    message = message_of(found[-1], "MissingInputError")
    assert message == "marl/nowhere: revision main is not in the cache, and HF_HUB_OFFLINE is set"


def test_offline_never_takes_another_commit(hub: FakeHub, tmp_path: Path) -> None:
    old = hub.commit("marl/pinned", {"train.parquet": table([["old"]], [["O"]])})
    with reading(hub.environment(tmp_path)) as online:
        assert online.ask("marl/pinned")["commit"] == old
        hub.commit("marl/pinned", {"train.parquet": table([["new"]], [["O"]])})
        # notes the new commit in the cache, without its rows
        assert online.ask("marl/pinned", streaming=True)["splits"]["train"][0][0] == ["new"]
    with reading(hub.environment(tmp_path, HF_HUB_OFFLINE="1")) as offline:
        answer = offline.ask("marl/pinned")
    assert answer.get("error") == "MissingInputError", answer
    assert old in answer["message"]
