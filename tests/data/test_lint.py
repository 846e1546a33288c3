"""The linter: each rule by what it finds, where, and by what it must leave alone."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import DataConfig
from tagger.data.findings import ERROR, KINDS, WARNING, Collector, Group, LintOptions, LintReport
from tagger.data.lint import guess_scheme, lint
from tagger.data.recurrence import SentenceMemory
from tagger.data.splits import read_split
from tagger.schemes import convert_tags, illegal_transitions
from tests.conftest import SAMPLE
from tests.strategies import SPAN_SCHEMES, tag_sequences

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "data.md"
CORPORA = Path(__file__).parents[3] / "shared" / "data"
LONG = "one two three four five six"


def write(path: Path, *sentences: str) -> str:
    """Sentences as `token/TAG token/TAG`; a token without a tag is O."""
    lines = []
    for sentence in sentences:
        for item in sentence.split():
            token, _, tag = item.partition("/")
            lines.append(f"{token}\t{tag or 'O'}\n")
        lines.append("\n")
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def check(options: LintOptions | None = None, **data: str) -> LintReport:
    data = {key: value for key, value in data.items() if value}
    return lint(DataConfig(**{"scheme": "BIO", **data}), options or LintOptions(min_count=1))  # type: ignore[arg-type]


def found(report: LintReport, kind: str) -> list[tuple[str, str]]:
    groups = {group.kind.name: group for group in report.groups}
    return [(each.where, each.message) for each in groups[kind].examples] if kind in groups else []


def kinds(report: LintReport) -> dict[str, int]:
    return {group.kind.name: group.total for group in report.groups}


def test_a_clean_corpus_has_no_findings(tmp_path: Path) -> None:
    train = write(tmp_path / "a", f"Ada/B-PER Lovelace/I-PER met {LONG}", "Bob/B-PER in Oslo/B-LOC")
    dev = write(tmp_path / "b", "Eve/B-PER in Rome/B-LOC")
    report = check(train=train, dev=dev)
    assert (report.groups, report.notes) == ((), ())
    assert (report.splits["train"].sentences, report.splits["train"].tokens) == (2, 12)


def test_the_sample_corpus_has_no_errors() -> None:
    files = {split: str(SAMPLE / f"{split}.conllu") for split in ("train", "dev", "test")}
    for settings in ({"scheme": "plain"}, {"tags": "NER", "scheme": "BIO"}):
        report = check(format="conllu", **files, **settings)
        assert report.count(ERROR) == 0
        assert found(report, "suspicious-character") == []


class TestErrors:
    def test_all_that_readers_refuse_by_line(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"a\tO\nb\nc\tO\tO\n\nd\xff\tO\n\ne\tQ-X\nf\t\n\ng\tB-X\n")
        report = check(train=str(path))
        assert kinds(report) == {"bad-text": 1, "ragged-columns": 2, "bad-tag": 2}
        assert [where for where, _ in found(report, "ragged-columns")] == [f"{path}:2", f"{path}:3"]
        assert found(report, "bad-tag")[0][0] == f"{path}:7"
        assert (report.count(ERROR), report.count(WARNING)) == (5, 0)

    def test_illegal_transitions_by_line(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "a b/I-X c", "d/B-X e/I-Y", "f/B-X")
        assert found(check(train=path), "illegal-transition") == [
            (f"{path}:2", "I-X after O ('b')"),
            (f"{path}:6", "I-Y after B-X ('e')"),
        ]

    def test_a_span_left_open_at_the_end(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "a b/B-X", "c/I-X d/E-X")
        assert found(check(train=path, scheme="BIOES"), "illegal-transition") == [
            (f"{path}:2", "the sentence ends after B-X ('b')"),
            (f"{path}:4", "I-X at the start of a sentence ('c')"),
        ]

    def test_the_rest_of_a_broken_sentence_is_no_illegal_transition(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"a\tB-X\nb\tI-X\tO\nc\tI-X\n\nd\tB-X\n")
        assert kinds(check(train=str(path))) == {"ragged-columns": 1}

    def test_a_first_row_that_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"Title\n\na\tB-X\nb\tO\n")
        assert found(check(train=str(path)), "bad-line")[1] == (
            str(path),
            "2 rows have other columns than the first one; is that a title or a header?",
        )

    def test_nothing_to_read(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"\n\n")
        report = check(train=write(tmp_path / "t", "a/B-X"), dev=str(path))
        assert found(report, "nothing") == [(str(path), "dev holds no token that can be read")]

    def test_unknown_tags_are_for_train(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "a/_ b/I-X c/_", "d/B-X")
        report = check(train=path, dev=write(tmp_path / "b", "a/_ b/B-X"), unknown_tag="_")
        assert kinds(report) == {"bad-tag": 1}
        assert found(report, "bad-tag")[0][0] == f"{tmp_path / 'b'}:1"

    @given(st.data(), st.sampled_from(SPAN_SCHEMES))
    def test_as_many_illegal_transitions_as_the_scheme_counts(self, data: st.DataObject, scheme: str) -> None:
        import tempfile

        sentences = [tags for tags in data.draw(st.lists(tag_sequences(scheme), max_size=4)) if tags]
        sentences = [[tag.replace(" ", "_") for tag in tags] for tags in sentences]
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write("".join("".join(f"w\t{tag}\n" for tag in tags) + "\n" for tags in sentences))
            file.flush()
            report = check(LintOptions(examples=None), train=file.name, scheme=scheme)
        expected = sum(len(illegal_transitions(tags, scheme)) for tags in sentences)
        assert kinds(report).get("illegal-transition", 0) == expected
        assert len(found(report, "illegal-transition")) == expected


BIO = [["B-X", "I-X", "O"], ["O", "B-Y"], ["B-X", "O", "B-Y", "I-Y"], ["O", "B-Y", "B-Y"]]


PIECES = [b"a", b"\t", b" ", b"\n", b"\r", b"\0", b"O", b"B-X", b"I-X", b"1", b"_", b"#", b"|", b"=", b"{", b"}", b'"']
PIECES += [
    b'{"tokens": ["a"], "tags": ["B-X"]}',
    b"1\ta\t_\tX\t_\t_\t_\t_\t_\tNER=B-X\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc3",
]
PIECES += [b"-DOCSTART-", b"\x1f\x8b", b"\n\n", "\u2028\u200b".encode(), b'"\\ud800"', b"[", b"]", b":", b","]


@pytest.mark.parametrize("form", ["conll", "conllu", "jsonl"])
@pytest.mark.parametrize("scheme", ["plain", "BIO"])
def test_whatever_a_file_holds_there_is_a_report(tmp_path: Path, form: str, scheme: str) -> None:
    path = tmp_path / "a"

    @given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=20).map(b"".join))
    def examine(content: bytes) -> None:
        path.write_bytes(content)
        report = check(format=form, train=str(path), scheme=scheme, tags="NER" if form == "conllu" else "")
        assert report.count(ERROR) or report.splits["train"].tokens

    examine()


class TestScheme:
    def write(self, path: Path, sentences: list[list[str]]) -> str:
        return write(path, *(" ".join(f"w{i}-{j}/{tag}" for j, tag in enumerate(s)) for i, s in enumerate(sentences)))

    @pytest.mark.parametrize("scheme", ["IOB1", "BIOES", "BILOU", "IO"])
    def test_another_scheme_throughout(self, tmp_path: Path, scheme: str) -> None:
        path = self.write(tmp_path / "a", [convert_tags(tags, "BIO", scheme) for tags in BIO])
        ((where, message),) = found(check(train=path), "scheme")
        assert (where, "mixed" in message) == (f"{path}:1", False)
        assert f"sentences with spans follow {scheme} and not BIO" in message

    def test_two_schemes_in_one_file(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a", [*BIO, *(convert_tags(tags, "BIO", "IOB1") for tags in BIO)])
        ((where, message),) = found(check(train=path), "scheme")
        assert where == f"{path}:17"
        assert message == (
            f"4 of 8 sentences with spans follow IOB1 and not BIO; 4 follow BIO and not IOB1 (first at {path}:1): "
            "the two are mixed"
        )

    def test_one_split_in_another_scheme(self, tmp_path: Path) -> None:
        train = self.write(tmp_path / "a", BIO)
        dev = self.write(tmp_path / "b", [convert_tags(tags, "BIO", "IOB1") for tags in BIO])
        assert [where for where, _ in found(check(train=train, dev=dev), "scheme")] == [f"{dev}:1"]

    def test_slips_are_no_scheme(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a", [*BIO * 10, ["I-X"], ["O", "I-X"]])
        assert found(check(train=path), "scheme") == []

    def test_spans_read_as_plain_tags(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a", BIO)
        assert found(check(train=path, scheme="plain"), "scheme") == [
            (path, "the tags look like BIO, but the scheme is plain")
        ]

    def test_the_first_split_tells_the_scheme(self, tmp_path: Path) -> None:
        dev = self.write(tmp_path / "b", [convert_tags(tags, "BIO", "BILOU") for tags in BIO])
        assert guess_scheme(DataConfig(dev=dev)) == "BILOU"
        assert guess_scheme(DataConfig(train=write(tmp_path / "c", "a/DET b/NOUN"), dev=dev)) == "plain"


class TestRecurrence:
    def test_leakage_is_told_and_can_be_forbidden(self, tmp_path: Path) -> None:
        train = write(tmp_path / "a", LONG, "short one", "Ada/B-PER")
        test = write(tmp_path / "b", "Bob/B-PER", f"{LONG} seven", LONG, "short one")
        report = check(train=train, test=test)
        assert found(report, "leakage") == [(f"{test}:11", f'also at {train}:1: "{LONG}"')]
        assert (report.count(ERROR), report.count(WARNING)) == (0, 1)
        assert report.notes[0].endswith("stand in an earlier split too, which is ordinary: 1")
        forbidden = check(LintOptions(forbid_leakage=True, min_count=1), train=train, test=test)
        assert (forbidden.count(ERROR), forbidden.count(WARNING)) == (1, 0)

    def test_duplicates_and_how_long_they_must_be(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", LONG, "Ada/B-PER x", LONG, "Ada/B-PER x")
        assert found(check(train=path), "duplicate") == [(f"{path}:11", f'also at {path}:1: "{LONG}"')]
        assert kinds(check(LintOptions(min_recurring=2, min_count=1), train=path))["duplicate"] == 2

    def test_the_same_sentence_with_other_tags(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "in Jordan/B-LOC today", "in Jordan/B-PER today")
        ((where, message),) = found(check(train=path), "tag-conflict")
        assert where == f"{path}:6"
        assert message == f"""'Jordan' is B-PER, but B-LOC in the sentence at {path}:1: "in Jordan today\""""

    def test_a_tag_that_nobody_knows_contradicts_none(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "in Jordan/_ today/_", "in Jordan/B-PER today", "in/_ Jordan/B-LOC today")
        assert found(check(train=path, unknown_tag="_"), "tag-conflict") == []

    def test_what_dev_share_draws_is_a_split(self, tmp_path: Path) -> None:
        """As in training: a sentence that comes again is leakage where one of the two is drawn."""
        path = tmp_path / "a"
        write(path, *(f"{LONG} {number // 2}" for number in range(20)))
        data = DataConfig(train=str(path), scheme="BIO", dev_share=0.3, dev_seed=3)
        report = lint(data, LintOptions(examples=None))
        assert {name: size.sentences for name, size in report.splits.items()} == {"train": 14, "dev": 6}
        assert report.splits["dev"].source == f"{path} (0.3 drawn by seed 3)"
        kept = {each.tokens: each.source for each in read_split(data, "train")}
        leaked = {each.source for each in read_split(data, "dev") if each.tokens in kept}
        assert {where for where, _ in found(report, "leakage")} == leaked != set()

    def test_problems_of_a_file_that_dev_is_drawn_from_are_told_once(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"\xef\xbb\xbf" + b"a\tO\n\n" * 5 + b"b\n\n")
        report = lint(DataConfig(train=str(path), scheme="BIO", dev_share=0.5), LintOptions(min_count=1))
        assert (kinds(report)["ragged-columns"], kinds(report)["line-end"]) == (1, 1)
        path.write_text("a\tO\n")
        report = lint(DataConfig(train=str(path), scheme="BIO", dev_share=0.5), LintOptions(min_count=1))
        assert found(report, "nothing")[0][1].startswith("holds 1 sentence, too few to take a dev split from")

    def test_many_tags_are_remembered_exactly(self) -> None:
        """More than 255 tags no longer fit into a byte each."""
        memory = SentenceMemory(min_length=1)
        names = [f"T{number}" for number in range(600)]
        for turn in range(2):
            for number, name in enumerate(names):
                tags = (name, names[-1 - number], name if turn == 0 or number != 599 else "other")
                again = list(memory.add((f"w{number}", "x", "y"), tags, split="train", where=f"{turn}.{number}"))
                assert [each.kind for each in again] == ["duplicate"] * turn + ["tag-conflict"] * (
                    turn and number == 599
                )
        assert again[-1].message == """'y' is other, but T599 in the sentence at 0.599: "w599 x y\""""


class TestLabels:
    def test_labels_that_train_lacks(self, tmp_path: Path) -> None:
        train = write(tmp_path / "a", "a/B-X b/B-X")
        dev = write(tmp_path / "b", "a/B-X c/B-Y d/I-Y", "e/B-Y")
        assert found(check(train=train, dev=dev), "unseen-label") == [
            (f"{dev}:2", "label 'Y' is in dev 2 times, but not in train")
        ]

    def test_rare_labels_and_imbalance(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", *["a/B-X"] * 40, "b/B-Y")
        report = check(LintOptions(min_count=2), train=path)
        assert found(report, "rare-label") == [(f"{path}:81", "label 'Y' is in train once only")]
        assert found(report, "imbalance") == [(path, "label 'X' has 40 of 41 spans (97.6%)")]

    def test_hardly_any_span(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", " ".join(["w"] * 200), "a/B-X")
        assert found(check(train=path), "imbalance") == [(path, "O stands at 200 of 201 tokens (99.50%)")]

    def test_a_text_whose_second_label_may_be_a_slip(self, tmp_path: Path) -> None:
        often = [f"New/B-LOC York/I-LOC {number}" for number in range(6)]
        path = write(tmp_path / "a", *often, "New/B-ORG York/I-ORG", "Paris/B-LOC", "Paris/B-PER")
        report = check(train=path)
        assert found(report, "label-conflict") == [
            (f"{path}:25", f"'New York' is ORG once, but LOC 6 times (first at {path}:1)")
        ]
        assert report.notes[-1] == "span texts with several labels of which none stands out, taken for ambiguous: 1"

    def test_plain_tags(self, tmp_path: Path) -> None:
        train = write(tmp_path / "a", "a/DET b/NOUN c/NOUN d/_")
        dev = write(tmp_path / "b", "a/X")
        report = check(LintOptions(min_count=2), train=train, dev=dev, scheme="plain", unknown_tag="_")
        assert found(report, "unseen-label") == [(f"{dev}:1", "tag 'X' is in dev once, but not in train")]
        assert found(report, "rare-label") == [(f"{train}:1", "tag 'DET' is in train once only")]


class TestText:
    def test_characters(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "a\u200b/B-X b", "a\u200b/B-X")
        report = check(train=path)
        assert kinds(report) == {"suspicious-character": 2}
        assert found(report, "suspicious-character")[1] == (
            f"{path}:4",
            r"token 'a\u200b': zero-width space (U+200B)",
        )

    def test_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"\xef\xbb\xbfa\tB-X\n\t\nb\tO\r\n")
        assert [where for where, _ in found(check(train=str(path)), "line-end")] == [
            *(f"{path}:1", f"{path}:3", f"{path}:2")
        ]

    def test_lengths(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_text('{"tokens": [], "tags": []}\n{"tokens": ["a", "b", "c"], "tags": ["B-X", "O", "O"]}\n')
        report = check(LintOptions(max_length=2, min_count=1), format="jsonl", train=str(path))
        assert found(report, "empty-sentence") == [(f"{path}:1", "no tokens")]
        assert found(report, "long-sentence") == [(f"{path}:2", '3 tokens: "a b c"')]


class TestCollector:
    def test_keeps_the_most_telling_and_counts_all(self) -> None:
        collector = Collector(KINDS, limit=2)
        for number, weight in enumerate([1.0, 3.0, 1.0, 3.0, 2.0]):
            collector.add("duplicate", str(number), "", weight=weight)
        (group,) = collector.groups()
        assert (group.total, [each.where for each in group.examples]) == (5, ["1", "3"])

    @given(st.lists(st.integers(0, 3)), st.none() | st.integers(1, 4))
    def test_is_a_stable_sort(self, weights: list[int], limit: int | None) -> None:
        collector = Collector(KINDS, limit=limit)
        for number, weight in enumerate(weights):
            collector.add("duplicate", str(number), "", weight=weight)
        expected = sorted(range(len(weights)), key=lambda number: -weights[number])[:limit]
        groups: Mapping[str, Group] = {group.kind.name: group for group in collector.groups()}
        assert bool(groups) == bool(weights)
        if weights:
            assert [int(each.where) for each in groups["duplicate"].examples] == expected


def test_the_documentation_lists_every_kind() -> None:
    table = [line.split("|")[1:3] for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines() if "| `" in line]
    listed = [(name.strip(" `"), severity.partition(";")[0].strip()) for name, severity in table]
    assert listed == [(kind.name, kind.severity) for kind in KINDS]


@pytest.mark.corpus
@pytest.mark.skipif(not CORPORA.is_dir(), reason="no ../shared/data")
class TestRealCorpora:
    def test_ewt(self) -> None:
        files = {split: str(CORPORA / "ewt" / f"{split}.conllu") for split in ("train", "dev", "test")}
        report = check(LintOptions(), format="conllu", scheme="plain", **files)
        assert report.count(ERROR) == 0
        assert {message.partition(":")[0] for _, message in found(report, "suspicious-character")} == {
            "token 'Ã³l'",
            r"token 'basic\xadally'",
            "token 'Υes'",
        }

    def test_wnut(self) -> None:
        files = {split: str(CORPORA / "wnut17" / f"{split}.conll") for split in ("train", "dev", "test")}
        assert guess_scheme(DataConfig(**files)) == "BIO"  # type: ignore[arg-type]
        report = check(LintOptions(), **files)
        assert report.count(ERROR) == 0
        assert len(found(report, "label-conflict")) == 1
