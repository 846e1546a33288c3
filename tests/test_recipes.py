"""The configs for datasets of the Hub, each run on a fake repository that is laid out like the real one.

What is alike: the branches, folders and names of files; configurations and splits; columns, the types of tags and the
order of their names. The sentences were written for these tests.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakehub import FakeHub
from tests.hub_reader import ROOT, Reader, reading, table

CONVERTED = "refs/convert/parquet"
SMALL = {
    "features.words.dim": 4,
    "features.affixes.dim": 2,
    "features.affixes.num_buckets": 50,
    "features.characters.dim": 2,
    "features.characters.hidden_dim": 2,
    "model.hidden_dim": 4,
    "training.num_epochs": 1,
    "training.num_threads": 1,
    "training.device": "cpu",
}
# Per sentence: token and type of entity, - before the tokens that go on with it.
ENTITIES = [
    "Mira PER|Lund -PER|lives O|in O|Bergen LOC",
    "The O|Harbour ORG|Bank -ORG|opened O|a O|branch O|in O|Porto LOC",
    "Nobody O|came O",
    "Ivo PER|reads O|The MISC|Long -MISC|Tide -MISC",
    "Bergen LOC|and O|Porto LOC|trade O|fish O",
]
WORDS = "Mira PROPN|sees VERB|a DET|small ADJ|boat NOUN|. PUNCT;She PRON|waves VERB|. PUNCT;Boats NOUN|go VERB|. PUNCT"
CONLL_NAMES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
WNUT_TYPES = ["corporation", "creative-work", "group", "location", "person", "product"]
WNUT_OF = {"PER": "person", "LOC": "location", "ORG": "corporation", "MISC": "creative-work"}
COARSE = ["O", "art", "building", "event", "location", "organization", "other", "person", "product"]
FEWNERD_OF = {"PER": "person", "LOC": "location", "ORG": "organization", "MISC": "art"}
FINE_OF = {"PER": "person-other", "LOC": "location-GPE", "ORG": "organization-company", "MISC": "art-writtenart"}
FINE = ["O", *sorted(FINE_OF.values())]


def tokens() -> list[list[str]]:
    return [[pair.split()[0] for pair in sentence.split("|")] for sentence in ENTITIES]


def tags(names: Mapping[str, str] | None = None, *, prefixes: bool = True) -> list[list[str]]:
    """BIO tags, or bare types."""

    def spell(tag: str) -> str:
        label = tag.removeprefix("-")
        named = label if label == "O" or names is None else names[label]
        return named if label == "O" or not prefixes else f"{'I' if tag.startswith('-') else 'B'}-{named}"

    return [[spell(pair.split()[1]) for pair in sentence.split("|")] for sentence in ENTITIES]


def ids(rows: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[int]]:
    return [[names.index(tag) for tag in row] for row in rows]


def fill(hub: FakeHub) -> None:
    numbers = {"id": [str(number) for number in range(len(ENTITIES))]}
    all_three = ("train", "validation", "test")
    parts = ids([["NN" if tag != "O" else "VB" for tag in row] for row in tags()], ["NN", "VB"])
    chunk_names = ["O", "B-ADJP", "I-ADJP", "B-NP", "I-NP"]
    chunks = ids(tags(dict.fromkeys(WNUT_OF, "NP")), chunk_names)
    conll = {"pos_tags": (parts, ["NN", "VB"]), "chunk_tags": (chunks, chunk_names)}
    chunked = table(tokens(), also=conll, more=numbers)
    convert(hub, "eriktks/conll2000", chunked, config="default", splits=("train", "test"))
    named = table(tokens(), also={**conll, "ner_tags": (ids(tags(), CONLL_NAMES), CONLL_NAMES)}, more=numbers)
    convert(hub, "eriktks/conll2003", named, config="conll2003", splits=all_three)

    wnut_names = ["O", *(f"{prefix}-{name}" for name in WNUT_TYPES for prefix in "BI")]
    wnut = table(tokens(), also={"ner_tags": (ids(tags(WNUT_OF), wnut_names), wnut_names)}, more=numbers)
    convert(hub, "leondz/wnut_17", wnut, config="wnut_17", splits=all_three)

    tner_names = [*(f"{prefix}-{name}" for prefix in "BI" for name in WNUT_TYPES), "O"]
    label_json = json.dumps({name: number for number, name in enumerate(tner_names)}).encode()
    bare = table(tokens(), ids(tags(WNUT_OF), tner_names))
    convert(hub, "tner/wnut2017", bare, config="wnut2017", splits=all_three)
    hub.commit("tner/wnut2017", {**hub.files("tner/wnut2017"), "dataset/label.json": label_json})

    coarse, fine = (ids(tags(of, prefixes=False), own) for of, own in ((FEWNERD_OF, COARSE), (FINE_OF, FINE)))
    few = table(tokens(), also={"ner_tags": (coarse, COARSE), "fine_ner_tags": (fine, FINE)}, more=numbers)
    few_configs = dict.fromkeys(("inter", "intra", "supervised"), few)
    declare(hub, "DFKI-SLT/few-nerd", few_configs, path="{config}/{split}-00000-of-00001.parquet", dev="validation")

    wikineural = {
        language: table(tokens(), ids(tags(), CONLL_NAMES), column="ner_tags", more={"lang": [language] * 5})
        for language in ("de", "en")
    }
    for path, revision in (
        ("data/{}_{}-00000-of-00001.parquet", "main"),
        ("default/{}_{}/0000.parquet", CONVERTED),
    ):
        splits = {
            path.format(split, language): content
            for split in ("train", "val", "test")
            for language, content in wikineural.items()
        }
        hub.commit("Babelscape/wikineural", splits, revision=revision)
    fill_ud(hub)


def fill_ud(hub: FakeHub) -> None:
    pairs = [[pair.split() for pair in sentence.split("|")] for sentence in WORDS.split(";")]
    words, upos = ([[pair[part] for pair in sentence] for sentence in pairs] for part in (0, 1))
    more = {
        "sent_id": list("abc"),
        "head": [[0] * len(row) for row in upos],
        "mwt": [[{"id": "1-2", "form": "x"}], [], []],
    }
    treebank = table(words, upos, column="upos", more=more)
    name = "universal-dependencies/universal_dependencies"
    treebanks = {"en_ewt": treebank, "fr_gsd": treebank}
    declare(hub, name, treebanks, path="parquet/{config}/{split}.parquet", dev="dev", revision="2.17")


def convert(hub: FakeHub, name: str, content: bytes, *, config: str, splits: Sequence[str]) -> None:
    """A dataset that is a script, with the branch that the Hub makes of it."""
    script = f"{name.rsplit('/', 1)[-1]}.py"
    hub.commit(name, {script: b"raise SystemExit", "README.md": b"---\nlanguage:\n- en\n---\n"})
    files = {f"{config}/{split}/0000.parquet": content for split in splits}
    hub.commit(name, {**files, ".gitattributes": b""}, revision=CONVERTED)


def declare(
    hub: FakeHub, name: str, contents: Mapping[str, bytes], *, path: str, dev: str, revision: str = "main"
) -> None:
    """A dataset whose README declares its configurations."""
    places = {
        config: {split: path.format(config=config, split=split) for split in ("train", dev, "test")}
        for config in contents
    }
    card = yaml.safe_dump(
        {
            "configs": [
                {
                    "config_name": config,
                    "data_files": [{"split": split, "path": place} for split, place in splits.items()],
                }
                for config, splits in places.items()
            ]
        }
    )
    files = {place: contents[config] for config, splits in places.items() for place in splits.values()}
    hub.commit(name, {**files, "README.md": f"---\n{card}---\n".encode()}, revision=revision)


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        fill(hub)
        yield hub


@pytest.fixture(scope="module")
def reader(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with reading(hub.environment(tmp_path_factory.mktemp("hf"))) as reader:
        yield reader


def recipes() -> dict[str, dict[str, Any]]:
    found = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "configs").glob("*.yaml")}
    return {name: recipe["data"] for name, recipe in sorted(found.items()) if recipe["data"].get("format") == "hub"}


CONLL = ["LOC", "MISC", "ORG", "PER"]
LABELS = {
    "chunk_conll2000": ["NP"],
    "ner_conll2003": CONLL,
    "ner_fewnerd": sorted(FEWNERD_OF.values()),
    "ner_tner": sorted(WNUT_OF.values()),
    "ner_wikineural": CONLL,
    "ner_wnut17_hub": sorted(WNUT_OF.values()),
    "pos_ud": ["ADJ", "DET", "NOUN", "PRON", "PROPN", "PUNCT", "VERB"],
}


def test_every_recipe_is_tried() -> None:
    assert sorted(recipes()) == sorted(LABELS)


@pytest.mark.parametrize("name", LABELS)
def test_a_recipe_trains(hub: FakeHub, reader: Reader, tmp_path: Path, name: str) -> None:
    data = recipes()[name]
    changes = [word for key, value in SMALL.items() for word in (f"--{key}", str(value))]
    done = reader.call("main", ["train", f"configs/{name}.yaml", "--out", str(tmp_path / "run"), *changes])
    assert done.get("code") == 0, done
    assert f"run on {data['name']}/{data['splits']['test']}" in done["out"]
    shown = next(line for line in done["err"].splitlines() if line.startswith(("tags ", "span types ")))
    assert shown.removeprefix("tags ").removeprefix("span types ").strip().split(", ") == LABELS[name]
    manifest = json.loads((tmp_path / "run" / "model" / "manifest.json").read_text(encoding="utf-8"))["data"]
    assert list(manifest) == ["train", "dev", "test"]
    commit = hub.repositories["datasets", data["name"]].refs[data.get("revision", "main")]
    assert {read["commit"] for read in manifest.values()} == {commit}


@pytest.mark.parametrize("name", LABELS)
def test_a_recipe_is_checked_as_training_reads_it(reader: Reader, name: str) -> None:
    done = reader.call("main", ["data", "check", f"configs/{name}.yaml", "--json"])
    document = json.loads(done["out"])
    assert (done["code"], done["err"], document["errors"]) == (0, "", 0), document
    stats = json.loads(reader.call("main", ["data", "stats", f"configs/{name}.yaml", "--json"])["out"])
    assert sorted(stats["splits"]["train"]["labels"]) == LABELS[name]
    assert list(stats["splits"]) == list(document["splits"]) == ["train", "dev", "test"]


@pytest.mark.parametrize("path", ["default/train/0000.parquet", "data/train.parquet"])
def test_the_commit_in_the_manifest_is_the_one_that_was_read(
    hub: FakeHub, reader: Reader, tmp_path: Path, path: str
) -> None:
    """`datasets` by itself may answer with a commit that its cache holds."""
    name = f"marl/{path.partition('/')[0]}"
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {{format: hub, name: {name}, splits: {{train: train}}}}\n", encoding="utf-8")
    changes = [word for key, value in SMALL.items() for word in (f"--{key}", str(value))]
    commits = {}
    for word in ("old", "new"):
        commits[word] = hub.commit(name, {path: table([[word, "words"]], [["A", "B"]])})
        reader.call("main", ["train", str(config), "--out", str(tmp_path / word), *changes])
    again = ["train", str(config), "--out", str(tmp_path / "again"), "--data.revision", commits["old"], *changes]
    assert reader.call("main", again)["code"] == 0
    for run, word in (("old", "old"), ("new", "new"), ("again", "old")):
        model = tmp_path / run / "model"
        manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["data"]
        assert manifest["train"]["commit"] == commits[word]
        words = json.loads((model / "vocabulary.json").read_text(encoding="utf-8"))["words"]
        assert sorted(words) == sorted([word, "words"])


def test_where_the_names_of_integers_come_from_is_recorded(hub: FakeHub, reader: Reader) -> None:
    answer = reader.ask("tner/wnut2017", revision=CONVERTED)
    main = hub.repositories["datasets", "tner/wnut2017"].refs["main"]
    assert answer["labels"] == f"dataset/label.json@{main}"
    assert [row[1] for row in answer["splits"]["train"]] == tags(WNUT_OF)


@pytest.mark.parametrize("revision", ["main", CONVERTED])
def test_splits_of_one_language(hub: FakeHub, reader: Reader, revision: str) -> None:
    names = recipes()["ner_wikineural"]
    before = len(hub.requests)
    answer = reader.ask(
        "Babelscape/wikineural", names["splits"], revision=revision, tags="ner_tags", labels=names["labels"]
    )
    assert [row[1] for row in answer["splits"]["dev"]] == tags()
    if revision == CONVERTED:
        assert not any("_de" in line for line in hub.requests[before:])


def test_finer_types(reader: Reader) -> None:
    answer = reader.ask("DFKI-SLT/few-nerd", config="inter", tags="fine_ner_tags", scheme="IO")
    found = [row[1] for row in answer["splits"]["train"]]
    assert found == [[tag if tag == "O" else f"I-{tag}" for tag in row] for row in tags(FINE_OF, prefixes=False)]


@pytest.mark.parametrize(
    ("recipe", "change", "code", "message"),
    [
        (
            "ner_conll2003",
            ["--data.revision", "main"],
            2,
            "data.revision: eriktks/conll2003 is a script, which `datasets` cannot run; try revision: " + CONVERTED,
        ),
        (
            "ner_fewnerd",
            ["--data.config", "null"],
            2,
            "data.config: DFKI-SLT/few-nerd has several; pick one; there are: inter, intra, supervised",
        ),
        (
            "pos_ud",
            ["--data.revision", "3.0"],
            66,
            "universal-dependencies/universal_dependencies: no revision '3.0'; there are: 2.17",
        ),
        (
            "ner_wikineural",
            ["--data.splits", "{train: train_en, dev: validation_en}"],
            2,
            "data.splits.dev: Babelscape/wikineural has no split 'validation_en'; there are: "
            "test_de, test_en, train_de, train_en, val_de, val_en",
        ),
    ],
)
def test_what_a_slip_says(
    reader: Reader, tmp_path: Path, recipe: str, change: list[str], code: int, message: str
) -> None:
    done = reader.call("main", ["train", f"configs/{recipe}.yaml", "--out", str(tmp_path / "run"), *change])
    assert done == {"code": code, "out": "", "err": f"tagger: {message}\n"}
    assert not (tmp_path / "run").exists()
