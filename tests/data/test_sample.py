"""The embedded corpus: valid CoNLL-U that says what its README says."""

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import pytest

import tagger.data
from tagger.data.conllu import read_conllu
from tagger.schemes import illegal_transitions, tags_to_spans
from tagger.sentence import Sentence

SAMPLE = Path(tagger.data.__file__).parent / "sample"
SPLITS = ("train", "dev", "test")
UPOS = {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"} | {
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X")
}
ENTITIES = {"PER", "ORG", "LOC", "MISC"}


def read(split: str, tags: str, scheme: str = "plain") -> list[Sentence]:
    return list(read_conllu(SAMPLE / f"{split}.conllu", tags=tags, scheme=scheme))


def blocks(split: str) -> list[list[str]]:
    """Each sentence's lines, comments and all."""
    content = (SAMPLE / f"{split}.conllu").read_text(encoding="utf-8")
    assert content.endswith("\n\n")
    return [block.split("\n") for block in content.removesuffix("\n\n").split("\n\n")]


def comment(block: list[str], key: str) -> str:
    (found,) = (line for line in block if line.startswith(f"# {key} = "))
    return found.removeprefix(f"# {key} = ")


def rows(block: list[str]) -> list[list[str]]:
    return [line.split("\t") for line in block if not line.startswith("#")]


def test_it_has_the_size_its_readme_says() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    sums: Counter[str] = Counter()
    for split in SPLITS:
        sentences = read(split, "NER", "BIO")
        spans = Counter(span.label for each in sentences for span in tags_to_spans(each.tags or (), "BIO"))
        counts = {"sentences": len(sentences), "tokens": sum(map(len, sentences)), **spans}
        assert readme_row(split, counts) in readme
        sums.update(counts)
    assert readme_row("all", sums) in readme
    assert sums["sentences"] >= 500
    assert sums["tokens"] >= 6_000


def readme_row(split: str, counts: dict[str, int]) -> str:
    columns = ("sentences", "tokens", "PER", "ORG", "LOC", "MISC")
    return f"| {split} | {' | '.join(f'{counts[column]:,}' for column in columns)} |"


@pytest.mark.parametrize("split", SPLITS)
def test_it_is_conllu_with_the_columns_that_are_used(split: str) -> None:
    for block in blocks(split):
        assert [line.partition(" = ")[0] for line in block[:2]] == ["# sent_id", "# text"]
        assert not any(line.startswith("#") for line in block[2:])
        for number, cells in enumerate(rows(block), start=1):
            assert len(cells) == 10
            assert cells[0] == str(number)
            assert cells[1] == cells[1].strip()
            assert {cells[column] for column in (2, 4, 5, 6, 7, 8)} == {"_"}
            misc = [] if cells[9] == "_" else cells[9].split("|")
            keys = [item.partition("=")[0] for item in misc]
            assert set(keys) <= {"NER", "SpaceAfter"}
            assert keys == sorted(set(keys))


@pytest.mark.parametrize("split", SPLITS)
def test_upos_are_universal(split: str) -> None:
    tags = {tag for sentence in read(split, "UPOS") for tag in sentence.tags or ()}
    assert tags <= UPOS
    if split == "train":
        assert tags == UPOS


@pytest.mark.parametrize("split", SPLITS)
def test_entities_are_legal_bio_of_four_types(split: str) -> None:
    sentences = read(split, "NER", "BIO")
    assert all(not illegal_transitions(sentence.tags or (), "BIO") for sentence in sentences)
    assert {tag.partition("-")[2] for sentence in sentences for tag in sentence.tags or ()} == {"", *ENTITIES}


@pytest.mark.parametrize("split", SPLITS)
def test_text_is_the_words_joined_by_space_after(split: str) -> None:
    for block in blocks(split):
        glue = ["" if "SpaceAfter=No" in cells[9].split("|") else " " for cells in rows(block)]
        joined = "".join(cells[1] + blank for cells, blank in zip(rows(block), glue, strict=True))
        assert comment(block, "text") == joined.removesuffix(" ")


def test_the_reader_gives_the_words_of_the_file() -> None:
    for split in SPLITS:
        words = [tuple(cells[1] for cells in rows(block)) for block in blocks(split)]
        assert [sentence.tokens for sentence in read(split, "UPOS")] == words


def test_no_sentence_stands_twice() -> None:
    tokens = Counter(sentence.tokens for split in SPLITS for sentence in read(split, "UPOS"))
    texts = Counter(comment(block, "text") for split in SPLITS for block in blocks(split))
    assert max(tokens.values()) == 1
    assert max(texts.values()) == 1


def test_identifiers_are_unique_and_every_split_holds_every_genre() -> None:
    identifiers = {split: [comment(block, "sent_id") for block in blocks(split)] for split in SPLITS}
    every = list(chain.from_iterable(identifiers.values()))
    assert len(set(every)) == len(every)
    genres = {split: {name.rpartition("-")[0] for name in names} for split, names in identifiers.items()}
    assert len(genres["train"]) == 22
    assert genres["train"] == genres["dev"] == genres["test"]


def test_decided_conventions_hold() -> None:
    for split in SPLITS:
        for words, entities in zip(read(split, "UPOS"), read(split, "NER", "BIO"), strict=True):
            tagged = zip(words.tokens, words.tags or (), entities.tags or (), strict=True)
            for word, upos, entity in tagged:
                if word == "etc.":
                    assert upos == "NOUN", words.source
                if word.lower() == "when":
                    assert upos == "ADV", words.source
                if word.lower() in {"all", "both", "each", "some", "any", "another"}:
                    assert upos != "PRON", words.source
                if word.startswith("@") and len(word) > 1:
                    assert entity == "O", words.source
            for pair, tags in zip(pairwise(words.tokens), pairwise(words.tags or ()), strict=True):
                if [word.lower() for word in pair] == ["at", "least"]:
                    assert tags == ("ADP", "ADJ"), words.source
