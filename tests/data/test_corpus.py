"""The data section of a config -> Corpus: every format, what is counted, and what a newcomer is told."""

import gzip
import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tagger.config import DataConfig
from tagger.data import hub
from tagger.data.corpus import load_corpus, read_sentences
from tagger.errors import ConfigError, DataError, MissingInputError
from tagger.sentence import Sentence

SENTENCES = [(("EU", "rejects"), ("B-ORG", "O")), (("Peter", "Blackburn"), ("B-PER", "I-PER")), (("Ok",), ("O",))]


def as_conll(separator: str = "\t", header: str = "") -> str:
    rows = [
        "".join(f"{token}{separator}{tag}\n" for token, tag in zip(tokens, tags, strict=True))
        for tokens, tags in SENTENCES
    ]
    return header + "\n".join(rows)


def as_conllu() -> str:
    def row(number: int, token: str, tag: str) -> str:
        return f"{number}\t{token}\t_\tNOUN\tNN\t_\t_\t_\t_\tNER={tag}|SpaceAfter=No\n"

    return "\n".join(
        "".join(row(at, token, tag) for at, (token, tag) in enumerate(zip(tokens, tags, strict=True), start=1))
        for tokens, tags in SENTENCES
    )


def as_jsonl(tokens_key: str = "tokens", tags_key: str = "tags") -> str:
    return "".join(json.dumps({tokens_key: tokens, tags_key: tags}) + "\n" for tokens, tags in SENTENCES)


FORMATS: list[tuple[str, DataConfig]] = [
    (as_conll(), DataConfig(format="conll")),
    (as_conll(" "), DataConfig(format="conll", delimiter="space", tokens=1, tags=2)),
    (as_conll("\t", "word\tner\n"), DataConfig(format="conll", header=True, tokens="word", tags="ner")),
    ("# a comment\n" + as_conll(), DataConfig(format="conll", comments="# ")),
    (as_conllu(), DataConfig(format="conllu", tags="NER")),
    (as_jsonl(), DataConfig(format="jsonl")),
    (as_jsonl("words", "ner"), DataConfig(format="jsonl", tokens="words", tags="ner")),
]


def describe(data: DataConfig, **changes: object) -> DataConfig:
    return DataConfig(**{**{name: getattr(data, name) for name in data.__dataclass_fields__}, **changes})  # type: ignore[arg-type]


def error_of(data: DataConfig) -> str:
    with pytest.raises(DataError) as caught:
        load_corpus(data)
    message = str(caught.value)
    del caught  # it holds this frame, and thereby itself and the file that was being read
    assert "\n" not in message
    return message


def contents(sentences: object) -> list[tuple[tuple[str, ...], tuple[str, ...] | None]]:
    return [(each.tokens, each.tags) for each in sentences]  # type: ignore[attr-defined]


class TestLoadCorpus:
    @pytest.mark.parametrize(("text", "data"), FORMATS, ids=lambda case: getattr(case, "format", "text"))
    @pytest.mark.parametrize("packed", [False, True])
    def test_formats(self, tmp_path: Path, text: str, data: DataConfig, packed: bool) -> None:
        path = tmp_path / "train"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        corpus = load_corpus(describe(data, train=str(path), scheme="BIO"))
        assert contents(corpus.train) == SENTENCES
        assert (list(corpus.dev), list(corpus.test)) == ([], [])
        assert (corpus.labels, corpus.scheme) == (("ORG", "PER"), "BIO")
        assert corpus.manifest == {
            "train": {
                "source": str(path),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "sentences": 3,
                "tokens": 5,
                "empty_sentences": 0,
                "illegal_transitions": 0,
                "unknown_tags": 0,
                "zero_width_tokens": 0,
            }
        }

    def test_splits_are_counted_apart(self, tmp_path: Path) -> None:
        rows = {
            "train": '{"tokens": ["a", "b"], "tags": ["I-X", "O"]}\n{"tokens": [], "tags": []}\n',
            "dev": '{"tokens": ["c"], "tags": ["B-Z"]}\n',
            "test": '{"tokens": ["d"], "tags": ["O"]}\n',
        }
        paths = {split: tmp_path / f"{split}.jsonl" for split in rows}
        for split, text in rows.items():
            paths[split].write_text(text, encoding="utf-8")
        names = {split: str(path) for split, path in paths.items()}
        corpus = load_corpus(DataConfig(format="jsonl", scheme="BIO", **names))
        assert list(map(len, (corpus.train, corpus.dev, corpus.test))) == [2, 1, 1]
        assert corpus.labels == ("X",)  # dev's Z is not to be learned
        counts = {
            split: [values[key] for key in ("sentences", "tokens", "empty_sentences", "illegal_transitions")]
            for split, values in corpus.manifest.items()
        }
        assert counts == {"train": [2, 2, 1, 1], "dev": [1, 1, 0, 0], "test": [1, 1, 0, 0]}

    @pytest.mark.parametrize(
        ("scheme", "tags", "labels"),
        [
            ("plain", "Z B-X O", ("B-X", "O", "Z")),
            ("plain", "O O O", ("O",)),
            ("BIO", "B-Z I-Z B-a-b", ("Z", "a-b")),
            ("IOB2", "B-Z O B", ("", "Z")),
            ("IOB1", "I-Z B-Z O", ("Z",)),
            ("IO", "I-Z I-Y O", ("Y", "Z")),
            ("BIOES", "S-Z B-Y E-Y", ("Y", "Z")),
            ("BILOU", "U-Z B-Y L-Y", ("Y", "Z")),
        ],
    )
    def test_labels(self, tmp_path: Path, scheme: str, tags: str, labels: tuple[str, ...]) -> None:
        path = tmp_path / "a.conll"
        path.write_text("".join(f"w {tag}\n" for tag in tags.split()), encoding="utf-8")
        assert load_corpus(DataConfig(train=str(path), scheme=scheme)).labels == labels  # type: ignore[arg-type]

    def test_a_pipe_is_read_once(self, tmp_path: Path) -> None:
        """`--data.train <(zcat a.gz)`: to hash it would be to wait for ever for a second writer."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_text, args=("a X\n",))
        writer.start()
        corpus = load_corpus(DataConfig(train=str(pipe)))
        writer.join()
        assert contents(corpus.train) == [(("a",), ("X",))]
        assert "sha256" not in corpus.manifest["train"]


class TestRefused:
    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    @pytest.mark.parametrize(
        ("form", "text"), [("conll", ""), ("conll", "\n\n"), ("jsonl", '{"tokens": [], "tags": []}')]
    )
    def test_a_split_without_a_sentence(self, tmp_path: Path, split: str, form: str, text: str) -> None:
        good = {"conll": as_conll(), "jsonl": as_jsonl()}[form]
        for name in ("train", "dev", "test"):
            (tmp_path / name).write_text(text if name == split else good, encoding="utf-8")
        names = {name: str(tmp_path / name) for name in ("train", "dev", "test")}
        message = error_of(DataConfig(format=form, **names))  # type: ignore[arg-type]
        assert message == f"{tmp_path / split}: holds no sentence, but data.{split} needs one (format {form})"

    def test_missing_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInputError, match=r"none\.conll: no such file$"):
            load_corpus(DataConfig(train=str(tmp_path / "none.conll")))
        assert error_of(DataConfig(train=str(tmp_path))) == f"{tmp_path}: is a folder, expected a file"

    @pytest.mark.parametrize(
        ("text", "data", "message"),
        [
            (
                "a\nb\n",
                DataConfig(),
                ":1: expected a column for tokens and another for tags.*; the columns of .* 1 = a$",
            ),
            (
                "a NNP B-X 1\n",
                DataConfig(scheme="BIO"),
                ":1: '1' is no tag of scheme BIO .*; the columns of line 1 are 1 = a, 2 = NNP, 3 = B-X, 4 = 1$",
            ),
            ("\na b\tX\n", DataConfig(tags=3), ":2: tags are in column 3.*; the columns of line 2 are 1 = a b, 2 = X$"),
            (
                "w t\na X\n",
                DataConfig(header=True, tags="pos"),
                ":1: tags: no column 'pos'; the columns are w, t; the columns of line 2 are 1 = a, 2 = X$",
            ),
            (
                '{"tokens": ["a"], "pos": ["X"]}\n',
                DataConfig(format="jsonl"),
                ":1: no key 'tags'; the keys are 'tokens', 'pos'; the keys of line 1 are tokens, pos$",
            ),
            (
                '{"tokens": ["a"], "tags": ["X"], "ner": ["O"]}\n',
                DataConfig(format="jsonl", scheme="BIO"),
                ":1: 'X' is no tag of scheme BIO .*; the keys of line 1 are tokens, tags, ner$",
            ),
            (
                as_conllu(),
                DataConfig(format="conllu", tags="NRE"),
                r":1: no NRE=.*; data.tags can be UPOS, XPOS or a key of MISC \(NER, SpaceAfter\)$",
            ),
            (
                as_conllu().replace("NOUN", "_"),
                DataConfig(format="conllu"),
                r":1: UPOS is not annotated.*; data.tags can be UPOS, XPOS or a key of MISC \(NER, SpaceAfter\)$",
            ),
            (
                as_conllu().replace("NOUN", "_").replace("NER=", "").replace("SpaceAfter=", ""),
                DataConfig(format="conllu"),
                r":1: UPOS is not annotated.*; data.tags can be UPOS, XPOS or a key of MISC \(there is none\)$",
            ),
        ],
    )
    def test_tags_that_are_elsewhere(self, tmp_path: Path, text: str, data: DataConfig, message: str) -> None:
        """The message says where tags could be."""
        path = tmp_path / "a"
        path.write_text(text, encoding="utf-8")
        assert re.fullmatch(re.escape(str(path)) + message, error_of(describe(data, train=str(path))))

    @pytest.mark.parametrize("text", [b"a X\nb\n", b"a X\n\xff X\n", b"a\0 X\n"])
    def test_other_errors_say_nothing_of_tags(self, tmp_path: Path, text: bytes) -> None:
        path = tmp_path / "a"
        path.write_bytes(text)
        assert "columns of line" not in error_of(DataConfig(train=str(path)))

    def test_spans_without_a_single_span(self, tmp_path: Path) -> None:
        path = tmp_path / "a.conllu"
        path.write_text(re.sub("NER=[^|]*", "NER=O", as_conllu()), encoding="utf-8")
        assert error_of(DataConfig(format="conllu", tags="NER", scheme="BIO", train=str(path))) == (
            f"{path}: every tag is O, so there is nothing to learn; are the tags elsewhere?"
            "; data.tags can be UPOS, XPOS or a key of MISC (NER, SpaceAfter)"
        )

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_a_key_of_misc_that_no_word_has(self, tmp_path: Path, split: str) -> None:
        """It reads as O everywhere: a misspelling would train a model of nothing, or find all its answers wrong."""
        for name in ("train", "dev", "test"):
            text = as_conllu().replace("NER=", "NE=") if name == split else as_conllu()
            (tmp_path / name).write_text(text, encoding="utf-8")
        names = {name: str(tmp_path / name) for name in ("train", "dev", "test")}
        message = error_of(DataConfig(format="conllu", tags="NER", scheme="BIO", **names))  # type: ignore[arg-type]
        expected = "no word has NER=... in MISC (column 10); the keys are NE, SpaceAfter"
        assert message == f"{tmp_path / split}: {expected}"

    @pytest.mark.parametrize("split", ["dev", "test"])
    def test_columns_without_a_span_are_data(self, tmp_path: Path, split: str) -> None:
        (tmp_path / "train").write_text("a B-X\n", encoding="utf-8")
        (tmp_path / split).write_text("a O\n", encoding="utf-8")
        names = {name: str(tmp_path / name) for name in ("train", split)}
        corpus = load_corpus(DataConfig(scheme="BIO", **names))  # type: ignore[arg-type]
        assert contents(getattr(corpus, split)) == [(("a",), ("O",))]

    @pytest.mark.parametrize(
        ("tags", "guess"),
        [
            ("B-X I-X O I-X", "BIO"),  # one slip does not make it IOB1
            ("O B-X O B-Y", "BIO"),
            ("I-X O", "IO"),
            ("I-X B-X O I-Y", "IOB1"),
            ("B-X E-X S-Y O", "BIOES"),
            ("S-X O", "BIOES"),
            ("B-X I-X L-X O U-Y", "BILOU"),
            ("_ O _ B-X _", "BIO"),
        ],
    )
    def test_spans_read_as_plain_tags(self, tmp_path: Path, tags: str, guess: str) -> None:
        path = tmp_path / "a.conll"
        path.write_text("".join(f"w {tag}\n" for tag in tags.split()), encoding="utf-8")
        data = DataConfig(train=str(path), unknown_tag="_" if "_" in tags else None)
        expected = f"the tags look like {guess}: set data.scheme (BIO, IOB1, BIOES, BILOU, or IO)"
        with pytest.raises(ConfigError, match=rf"^data\.scheme: {re.escape(f'{path}: {expected}')}$"):
            load_corpus(data)

    @pytest.mark.parametrize("tags", ["O B-X N", "B-X I-X", "O O", "O B", "E-X L-X O", "O X-Y", "O B-"])
    def test_plain_tags_that_look_a_little_like_spans(self, tmp_path: Path, tags: str) -> None:
        path = tmp_path / "a.conll"
        path.write_text("".join(f"w {tag}\n" for tag in tags.split()), encoding="utf-8")
        assert load_corpus(DataConfig(train=str(path))).labels == tuple(sorted(set(tags.split())))

    def test_columns_are_shown_as_they_were_split(self, tmp_path: Path) -> None:
        """The first line that is read decides for the file, and that is the header, or else the first token's."""
        path = tmp_path / "a"
        message = "; the columns of line 2 are 1 = New, 2 = York, 3 = X"
        path.write_text("word pos tag\nNew York\tX\n", encoding="utf-8")
        assert error_of(DataConfig(train=str(path), header=True, scheme="BIO")).endswith(message)
        path.write_text("# a\tcomment\nNew York X\n", encoding="utf-8")
        assert error_of(DataConfig(train=str(path), comments="# ", scheme="BIO")).endswith(message)
        path.write_text("-DOCSTART-\t-X-\nNew York X\n", encoding="utf-8")
        assert error_of(DataConfig(train=str(path), scheme="BIO")).endswith(message)
        path.write_text("\nNew York\tX\n", encoding="utf-8")
        assert error_of(DataConfig(train=str(path), scheme="BIO")).endswith("line 2 are 1 = New York, 2 = X")


class TestHub:
    @staticmethod
    def answer(monkeypatch: pytest.MonkeyPatch, tags: tuple[str, ...] = ("B-X",)) -> dict[str, object]:
        """Puts a dataset in the place of the Hub's; what it was asked for appears in the answer."""
        asked: dict[str, object] = {}

        def load_hub(name: str, *, splits: Mapping[str, str], **arguments: object) -> hub.HubData:
            asked.update(arguments, name=name, splits=dict(splits))
            sentence = Sentence(tokens=("a",) * len(tags), tags=tags, source=f"{name}/x/row 0")
            return hub.HubData(splits={split: [sentence] for split in splits}, commit="c0ffee")

        monkeypatch.setattr(hub, "load_hub", load_hub)
        return asked

    def test_what_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self.answer(monkeypatch)
        splits = {"train": "training", "test": "held_out"}
        data = DataConfig(
            format="hub",
            name="o/n",
            config="en",
            revision="r",
            splits=splits,
            tags="ner",
            scheme="BIO",
            labels="/l.txt",
        )
        corpus = load_corpus(data)
        assert asked == {
            "name": "o/n",
            "config": "en",
            "revision": "r",
            "splits": splits,
            "tokens": "tokens",
            "tags": "ner",
            "scheme": "BIO",
            "unknown": None,
            "labels": Path("/l.txt"),
            "streaming": False,
            "checked": True,
        }
        assert corpus.manifest["test"] == {
            "source": "o/n/held_out",
            "commit": "c0ffee",
            "sentences": 1,
            "tokens": 1,
            "empty_sentences": 0,
            "illegal_transitions": 0,
            "unknown_tags": 0,
            "zero_width_tokens": 0,
        }
        assert list(corpus.dev) == []

    def test_default_splits_and_a_list_of_labels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self.answer(monkeypatch)
        corpus = load_corpus(DataConfig(format="hub", name="o/n", labels=["O", "B-X"], scheme="BIO"))
        assert asked["splits"] == {"train": "train", "dev": "validation", "test": "test"}
        assert asked["labels"] == ["O", "B-X"]
        assert list(corpus.manifest) == ["train", "dev", "test"]

    def test_spans_read_as_plain_tags(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer(monkeypatch, tags=("O", "B-X"))
        with pytest.raises(ConfigError, match=r"^data\.scheme: o/n/train: the tags look like BIO: set data\.scheme"):
            load_corpus(DataConfig(format="hub", name="o/n"))

    def test_nothing_to_learn_names_the_split(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = DataConfig(format="hub", name="o/n", splits={"train": "t"}, scheme="BIO")
        self.answer(monkeypatch, tags=())
        assert error_of(data) == "o/n/t: holds no sentence, but data.train needs one (format hub)"
        self.answer(monkeypatch, tags=("O", "O"))
        message = "o/n/t: every tag is O, so there is nothing to learn; are the tags elsewhere?"
        assert error_of(data) == message


class TestUnknownTags:
    """`data.unknown_tag`: a tag that nobody knows may stand in train, and nowhere else."""

    @staticmethod
    def write(folder: Path, **splits: list[str]) -> DataConfig:
        """CoNLL files, tags `t1 t2 ...` a sentence."""
        for split, sentences in splits.items():
            rows = ["".join(f"w {tag}\n" for tag in tags.split()) for tags in sentences]
            (folder / split).write_text("\n".join(rows), encoding="utf-8")
        return DataConfig(unknown_tag="_", scheme="BIO", **{split: str(folder / split) for split in splits})  # type: ignore[arg-type]

    def test_are_counted_and_are_no_label(self, tmp_path: Path) -> None:
        data = self.write(tmp_path, train=["B-X _ I-Y O", "_", "_ _ B-Z"], dev=["B-X"])
        corpus = load_corpus(data)
        assert corpus.labels == ("X", "Y", "Z")
        assert [sentence.tags for sentence in corpus.train] == [
            ("B-X", "_", "I-Y", "O"),
            ("_",),
            ("_", "_", "B-Z"),
        ]
        assert {split: counts["unknown_tags"] for split, counts in corpus.manifest.items()} == {"train": 4, "dev": 0}

    def test_illegal_transitions_are_those_between_known_neighbours(self, tmp_path: Path) -> None:
        sentences = ["_ I-X", "B-X _ I-Y", "I-X _", "O I-X _ O I-Y", "_ _", "O I-X"]
        corpus = load_corpus(self.write(tmp_path, train=sentences, dev=["O"]))
        assert corpus.manifest["train"]["illegal_transitions"] == 1 + 2 + 1

    def test_a_legal_plain_tag_may_mean_unknown(self, tmp_path: Path) -> None:
        data = describe(self.write(tmp_path, train=["N X V", "X"], dev=["N V"]), scheme="plain", unknown_tag="X")
        corpus = load_corpus(data)
        assert corpus.labels == ("N", "V")
        assert corpus.manifest["train"]["unknown_tags"] == 2

    @pytest.mark.parametrize("split", ["dev", "test"])
    def test_gold_must_be_known_elsewhere(self, tmp_path: Path, split: str) -> None:
        data = self.write(tmp_path, **{"train": ["B-X _"], split: ["O", "B-X O _"]})
        expected = f"{tmp_path / split}:5: the tag is unknown ('_'), but gold must be known here"
        assert error_of(data).startswith(expected)

    @pytest.mark.parametrize(
        ("scheme", "found"), [("plain", "unknown ('_')"), ("BIO", "O or unknown ('_')")], ids=["plain", "BIO"]
    )
    def test_nothing_known_is_nothing_to_learn(self, tmp_path: Path, scheme: str, found: str) -> None:
        data = describe(self.write(tmp_path, train=["_ _", "_"], dev=["B-X"]), scheme=scheme)
        message = f"{tmp_path / 'train'}: every tag is {found}, so there is nothing to learn"
        assert error_of(data).startswith(message)

    def test_without_the_setting_it_is_no_tag(self, tmp_path: Path) -> None:
        data = describe(self.write(tmp_path, train=["B-X _"]), unknown_tag=None)
        assert error_of(data).startswith(f"{tmp_path / 'train'}:2: '_' is no tag of scheme BIO")

    @pytest.mark.parametrize("tags", ["UPOS", "NER"])
    def test_in_conllu(self, tmp_path: Path, tags: str) -> None:
        text = as_conllu()
        changed = text.replace("NOUN", "_", 2) if tags == "UPOS" else text.replace("NER=B-ORG", "NER=_")
        (tmp_path / "train").write_text(changed, encoding="utf-8")
        (tmp_path / "dev").write_text(text, encoding="utf-8")
        data = DataConfig(format="conllu", tags=tags, scheme="plain" if tags == "UPOS" else "BIO", unknown_tag="_")
        data = describe(data, train=str(tmp_path / "train"), dev=str(tmp_path / "dev"))
        assert load_corpus(data).manifest["train"]["unknown_tags"] == (2 if tags == "UPOS" else 1)
        assert load_corpus(data).labels == (("NOUN",) if tags == "UPOS" else ("PER",))

    def test_hub_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = TestHub.answer(monkeypatch, ("B-X", "?"))
        corpus = load_corpus(DataConfig(format="hub", name="o/n", scheme="BIO", unknown_tag="?"))
        assert asked["unknown"] == "?"
        assert corpus.manifest["train"]["unknown_tags"] == 1


class TestReadSentences:
    @pytest.mark.parametrize(("text", "data"), FORMATS, ids=lambda case: getattr(case, "format", "text"))
    def test_a_stream_with_and_without_tags(self, text: str, data: DataConfig) -> None:
        def stream() -> io.BytesIO:
            return io.BytesIO(text.encode())

        assert contents(read_sentences(stream(), data)) == SENTENCES
        untagged = contents(read_sentences(stream(), data, tagged=False))
        assert untagged == [(tokens, None) for tokens, _ in SENTENCES]

    def test_untagged_files_need_no_tags(self) -> None:
        rows = {"conll": b"a\nb\n", "jsonl": b'{"tokens": ["a", "b"]}\n'}
        for form, content in rows.items():
            data = DataConfig(format=form)  # type: ignore[arg-type]
            assert contents(read_sentences(io.BytesIO(content), data, tagged=False)) == [(("a", "b"), None)]

    @pytest.mark.parametrize(("text", "data"), FORMATS, ids=lambda case: getattr(case, "format", "text"))
    def test_what_may_be_unknown(self, text: str, data: DataConfig) -> None:
        """Gold is to be known unless the caller says otherwise."""
        data = describe(data, scheme="BIO", unknown_tag="_")
        text = text.replace("I-PER", "_")
        found = contents(read_sentences(io.BytesIO(text.encode()), data, known_only=False))
        assert found == [(tokens, tuple(tag.replace("I-PER", "_") for tag in tags)) for tokens, tags in SENTENCES]
        with pytest.raises(DataError, match=r"^<stdin>:\d+: the tag is unknown \('_'\), but gold must be known"):
            list(read_sentences(io.BytesIO(text.encode()), data))

    def test_upos_is_the_default_of_conllu(self) -> None:
        first, *_ = read_sentences(io.BytesIO(as_conllu().encode()), DataConfig(format="conllu"))
        assert first.tags == ("NOUN", "NOUN")

    def test_a_column_0_is_a_setting_that_cannot_be(self) -> None:
        with pytest.raises(ConfigError, match="tags"):
            list(read_sentences(io.BytesIO(b"a X\n"), DataConfig(tags=0)))
