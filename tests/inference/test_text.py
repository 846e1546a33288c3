"""Raw text -> tokens and sentences: invariants for any text, conventions for English, the treebank as the oracle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from tagger.inference.text import split_text, tokenize

EWT = Path(__file__).parents[3] / "shared" / "data" / "ewt"

# Hard pieces more often than chance would bring them.
PIECES = [
    *"aZ9.,-'’\"()!?…$%@#/:&_。」é東\u200d\u200b\u0301\u0600\u00a0\u2028\x1c",
    *[" ", "\n", "\r\n", "\t", "n't", "'s", "U.S.", "Dr.", "http://a.b", "a@b.co", ":)", "1,200.50", "e-", "co-"],
    *["👩\u200d👩\u200d👧", "👍🏽", "🇩🇪", "🇩", "1\ufe0f\u20e3", "e\u0301", "क्षि", "\u1100\u1161"],
]
texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in tokenize(text)]


def sentences(text: str) -> list[str]:
    """The stretch of text of each sentence."""
    offsets = [sentence.offsets or () for sentence in split_text(text)]
    return [text[found[0][0] : found[-1][1]] for found in offsets]


@given(texts)
def test_every_visible_character_is_in_exactly_one_token(text: str) -> None:
    tokens = tokenize(text)
    covered = [position for start, end in tokens for position in range(start, end)]
    assert covered == sorted(set(covered))
    assert all(start < end <= len(text) for start, end in tokens)
    left_out = set(range(len(text))) - set(covered)
    assert all(text[position].isspace() for position in left_out)


@given(texts)
def test_a_token_holds_whitespace_only_inside_a_grapheme(text: str) -> None:
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    for start, end in tokenize(text):
        for position in range(start, end):
            if text[position].isspace():
                assert position not in borders or position + 1 not in borders


@given(texts)
@example("0 \u0600.")  # a sign that is one grapheme with the period behind it
@example("0 \u0d4e.")
def test_graphemes_are_never_cut(text: str) -> None:
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    assert {edge for token in tokenize(text) for edge in token} <= borders


@given(texts)
def test_sentences_hold_all_tokens_in_order(text: str) -> None:
    tokens = tokenize(text)
    found = split_text(text)
    assert [offset for sentence in found for offset in sentence.offsets or ()] == tokens
    for sentence in found:
        assert sentence.tags is None
        assert sentence.tokens
        assert sentence.tokens == tuple(text[start:end] for start, end in sentence.offsets or ())


@given(texts)
def test_a_sentence_never_crosses_a_line(text: str) -> None:
    assert all("\n" not in sentence for sentence in sentences(text))


@pytest.mark.parametrize("text", ["", " ", "\n\t \u00a0\u3000\x1c"])
def test_nothing_visible_gives_no_tokens(text: str) -> None:
    assert tokenize(text) == []
    assert split_text(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(see [this], \"that\" or 'it')", "( see [ this ] , \" that \" or ' it ' )"),
        ("I can't, it's, we'll", "I ca n't , it 's , we 'll"),
        ("they're I'm I've he'd DON'T", "they 're I 'm I 've he 'd DO N'T"),
        ("don’t it’s “so”", "do n’t it ’s “ so ”"),
        ("cannot gonna Wanna gotta", "can not gon na Wan na got ta"),
        ("cannoter gonnado", "cannoter gonnado"),
        ("dogs' O'Connell rock'n'roll ’em", "dogs ' O'Connell rock'n'roll ’em"),
        ("a well-known co-founder's e-mail", "a well - known co-founder 's e-mail"),
        ("re-read e-a mid-1980s state-of-the-art", "re-read e - a mid-1980s state - of - the - art"),
        ("Dr. Who, U.S. law, 5 p.m. sharp", "Dr. Who , U.S. law , 5 p.m. sharp"),
        ("Inc. or e.g. this, J. Doe and etc...", "Inc. or e.g. this , J. Doe and etc ..."),
        ("in the U.S.", "in the U.S ."),
        ("U.S.", "U.S."),
        ("no.", "no ."),
        ("1,200.50 10:30 3/4 2001-02-03 21st 1990s 555-1234", "1,200.50 10:30 3/4 2001-02-03 21st 1990s 555-1234"),
        ("$5 5% US$5 5pm 20mm 3D", "$ 5 5 % US$ 5 5 pm 20 mm 3D"),
        ("see http://a.b/c_(d). www.x.org, a.b@c.de;", "see http://a.b/c_(d . www.x.org , a.b@c.de ;"),
        ("@me #tag #1 cnn.com/news", "@me #tag # 1 cnn.com/news"),
        (":-) ;) :( :D <3 ^_^ note:", ":-) ;) :( :D <3 ^_^ note :"),
        ("wow!!! what?! well... no -- yes", "wow !!! what ?! well ... no -- yes"),
        ("AT&T and/or w/o", "AT&T and / or w/o"),
        ("hi👍🏽😀👩\u200d👧🇩🇪🇫🇷1\ufe0f\u20e3", "hi 👍🏽 😀 👩\u200d👧 🇩🇪 🇫🇷 1\ufe0f\u20e3"),
        ("Привет, мир! naïve cafe\u0301.", "Привет , мир ! naïve cafe\u0301 ."),
        ("東京へ行く。नमस्ते दुनिया। (ไทย)", "東京へ行く 。 नमस्ते दुनिया । ( ไทย )"),
        ("co\u00adoperate", "co\u00adoperate"),
    ],
)
def test_conventions(text: str, expected: str) -> None:
    assert words(text) == expected.replace("c_(d .", "c_(d ) .").split(" ")


def test_a_chunk_is_cut_alike_short_and_long() -> None:
    """Short chunks are remembered, long ones are not; both are cut by the same rules."""
    long = "well-known-" * 20 + "fact"
    assert words(long) == long.replace("-", " - ").split(" ")
    assert words("well-known") == words("well-known") == ["well", "-", "known"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! 3 more? “Yes.” Done", ["One.", "Two!", "3 more?", "“Yes.”", "Done"]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("a\n\n b \r\nc", ["a", "b", "c"]),
        ("We met Dr. Who and J. Doe of U.S. Steel. Fine.", ["We met Dr. Who and J. Doe of U.S. Steel.", "Fine."]),
        ("It cost 5. and then. some", ["It cost 5. and then. some"]),
        ("1. Open it. 2. Close it.", ["1. Open it.", "2. Close it."]),
        ("そうか。「はい。」行く。", ["そうか。", "「はい。」", "行く。"]),
        ("ठीक है। अच्छा", ["ठीक है।", "अच्छा"]),
        ("See v1.2. New http://a.b/C.D here", ["See v1.2.", "New http://a.b/C.D here"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a", 1),
        (".", 1),
        ("-", 1),
        ("(", 1_000_000),
        ("a-", 1_000_000),
        ("a.", None),
        ("1,", None),
        ("http://)", None),
        ("🇩", 500_000),
    ],
)
def test_a_megabyte_without_spaces(text: str, count: int | None) -> None:
    """Quadratic patterns would take hours here."""
    long = text * (1_000_000 // len(text))
    tokens = tokenize(long)
    assert tokens[0][0] == 0
    assert tokens[-1][1] == len(long)
    assert count is None or len(tokens) == count


def gold_words(path: Path) -> Iterator[tuple[str, set[tuple[int, int]], list[tuple[int, int]]]]:
    """Each sentence's text, its words' offsets, and the ranges whose words do not spell their text."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        rows = [line.split("\t")[:2] for line in lines if not line.startswith("#")]
        if not rows:
            continue
        text = next(line for line in lines if line.startswith("# text = ")).removeprefix("# text = ")
        forms = dict(rows)
        offsets, unaligned, position, last = set(), [], 0, 0
        for identifier, form in rows:
            first, hyphen, end = identifier.partition("-")
            if not first.isdigit() or int(first) <= last:
                continue
            last = int(end) if hyphen else int(first)
            parts = [forms[str(number)] for number in range(int(first), last + 1)]
            position = text.index(form, position)
            if "".join(parts) != form:
                unaligned.append((position, position + len(form)))
                position += len(form)
                continue
            for part in parts:
                offsets.add((position, position + len(part)))
                position += len(part)
        yield text, offsets, unaligned


@pytest.mark.corpus
@pytest.mark.parametrize("split", ["dev", "test"])
def test_tokens_of_the_english_web_treebank(split: str) -> None:
    path = EWT / f"{split}.conllu"
    if not path.exists():
        pytest.skip(f"needs English-EWT in {EWT}")
    right = total = 0
    for text, gold, unaligned in gold_words(path):
        found = {(a, b) for a, b in tokenize(text) if not any(a < end and start < b for start, end in unaligned)}
        right += len(gold & found)
        total += len(gold) + len(found)
    assert 200 * right / total >= 99.0
