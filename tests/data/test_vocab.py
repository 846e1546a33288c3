"""Vocabularies, affix hashing and the table of forms, held against the direct encoding of each token."""

import random
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tagger.data.vocab as vocab_module
from tagger.config import AffixesConfig, CharactersConfig, WordsConfig
from tagger.data.vocab import (
    PADDING,
    UNKNOWN,
    FormTable,
    Vocabulary,
    affix_ids,
    count_characters,
    count_words,
    hash_affix,
    known_words,
    rank,
    word_shape,
)

# Letters whose lower case is longer or lone, half a surrogate pair, combining marks: what a form can hold.
forms = st.text(alphabet="abAB1-İßǅ\ud83d\u0301é中😀 ", max_size=12)


def build(
    counts: dict[str, int],
    *,
    tags: Sequence[str] = ("X", "Y"),
    extra_words: Sequence[str] = (),
    words: WordsConfig | None = None,
    characters: CharactersConfig | None = None,
    affixes: AffixesConfig | None = None,
) -> Vocabulary:
    return Vocabulary.build(
        counts,
        tags=tags,
        extra_words=extra_words,
        words=words or WordsConfig(),
        characters=characters or CharactersConfig(max_length=5),
        affixes=affixes or AffixesConfig(num_buckets=97),
    )


def encode_form(form: str, vocabulary: Vocabulary) -> tuple[int, list[int], list[int]]:
    """Word id, character ids and affix rows of one form: CRC-32 over the affixes, one character after the other."""
    word = form.lower() if vocabulary.lowercase else form
    word_id = vocabulary.words.index(word) + 2 if word in vocabulary.words else 1
    kept = list(form)
    while len(kept) > vocabulary.max_length:
        del kept[(vocabulary.max_length + 1) // 2]
    known = vocabulary.characters
    characters = [known.index(character) + 2 if character in known else 1 for character in kept]
    pieces = [f"p{size}:{form.lower()[:size]}" for size in vocabulary.prefixes]
    pieces += [f"s{size}:{form.lower()[-size:]}" for size in vocabulary.suffixes]
    if vocabulary.shape:
        pieces.append(f"shape:{word_shape(form)}")
    hashes = [zlib.crc32(piece.encode("utf-8", "surrogatepass")) for piece in pieces]
    return word_id, characters, [1 + number % vocabulary.num_buckets for number in hashes]


class TestBuild:
    def test_commonest_first_then_alphabetical(self) -> None:
        vocabulary = build({"b": 2, "The": 1, "the": 2, "a": 2, "c": 1})
        assert vocabulary.words == ("the", "a", "b", "c")
        assert vocabulary.characters == ("e", "h", "a", "b", "t", "T", "c")
        assert vocabulary.num_train_words == 4
        assert (vocabulary.num_word_ids, vocabulary.num_character_ids) == (6, 9)

    @given(st.dictionaries(forms, st.integers(1, 3), max_size=12), st.randoms(), st.booleans(), st.integers(1, 3))
    def test_the_order_of_counting_does_not_matter(
        self, counts: dict[str, int], shuffler: random.Random, lowercase: bool, min_count: int
    ) -> None:
        words = WordsConfig(lowercase=lowercase, min_count=min_count)
        shuffled = list(counts.items())
        shuffler.shuffle(shuffled)
        vocabulary = build(counts, words=words)
        assert build(dict(shuffled), words=words) == vocabulary
        totals = Counter[str]()
        for form, count in counts.items():
            totals[form.lower() if lowercase else form] += count
        ranked = sorted(totals, key=lambda word: (-totals[word], word))
        assert list(vocabulary.words) == [word for word in ranked if totals[word] >= min_count]
        assert set(vocabulary.characters) == set("".join(counts))

    def test_case_is_kept_on_demand(self) -> None:
        vocabulary = build({"The": 1, "the": 1}, words=WordsConfig(lowercase=False))
        assert vocabulary.words == ("The", "the")
        assert vocabulary.normalise("The") == "The"

    def test_words_of_vectors_come_after_those_of_train(self) -> None:
        vocabulary = build(
            {"b": 3, "rare": 1}, extra_words=["z", "b", "a", "z", "rare"], words=WordsConfig(min_count=2)
        )
        assert vocabulary.words == ("b", "a", "rare", "z")
        assert vocabulary.num_train_words == 1
        assert known_words(vocabulary, {"B", "a", "rare", "q"}) == {"B"}

    def test_affixes_that_are_left_out(self) -> None:
        vocabulary = build({"a": 1}, affixes=AffixesConfig(dim=0))
        assert (vocabulary.prefixes, vocabulary.suffixes, vocabulary.shape) == ((), (), False)
        assert vocabulary.num_affixes == 0
        assert build({"a": 1}).num_affixes == 8

    def test_of_nothing(self) -> None:
        vocabulary = build({})
        assert (vocabulary.words, vocabulary.characters, vocabulary.tags) == ((), (), ("X", "Y"))
        assert (vocabulary.num_word_ids, vocabulary.num_character_ids) == (2, 2)

    def test_counts(self) -> None:
        assert count_words({"A": 1, "a": 2, "b": 1}, lowercase=True) == {"a": 3, "b": 1}
        assert count_words({"A": 1, "a": 2}, lowercase=False) == {"A": 1, "a": 2}
        assert count_characters({"aba": 2, "b": 1, "": 5}) == {"a": 4, "b": 3}

    def test_special_names_are_ordinary_words(self) -> None:
        """torchtext reserves none of its own names here."""
        assert rank(Counter({"<unk>": 1, "<pad>": 2, "": 1})) == ["<pad>", "", "<unk>"]


class TestShape:
    @pytest.mark.parametrize(
        ("form", "shape"),
        [
            ("iPhone15", "xXxxxxdd"),
            ("WASHINGTON", "XXXX"),
            ("12:30", "dd:dd"),
            ("U.S.", "X.X."),
            ("......", "...."),
            ("中文", "xx"),
            ("e\u0301", "x\u0301"),
            ("", ""),
            ("\ud800", "\ud800"),
        ],
    )
    def test_examples(self, form: str, shape: str) -> None:
        assert word_shape(form) == shape


class TestHash:
    def test_is_the_same_for_ever(self) -> None:
        """Saved models rely on these values."""
        assert hash_affix("p1", "a", 20000) == 1265
        assert hash_affix("s3", "ing", 20000) == 15907
        assert hash_affix("shape", "Xxxx", 100) == 85
        assert hash_affix("p1", "\ud800", 7) == 2

    @given(forms, st.integers(1, 50))
    def test_is_a_row_of_the_table(self, text: str, num_buckets: int) -> None:
        assert 1 <= hash_affix("p2", text, num_buckets) <= num_buckets

    def test_affixes_of_a_form(self) -> None:
        vocabulary = build({}, affixes=AffixesConfig(num_buckets=10**9, prefixes=[1, 3], suffixes=[2]))
        expected = [("p1", "h"), ("p3", "hi"), ("s2", "hi"), ("shape", "Xx")]
        assert affix_ids("Hi", vocabulary) == [hash_affix(kind, text, 10**9) for kind, text in expected]


class TestFormTable:
    @given(
        st.lists(st.lists(forms, max_size=5), max_size=6),
        st.lists(forms, max_size=6),
        st.integers(1, 7),
        st.booleans(),
    )
    def test_equals_the_direct_encoding(
        self, sentences: list[list[str]], train: list[str], max_length: int, lowercase: bool
    ) -> None:
        vocabulary = build(
            Counter(train),
            words=WordsConfig(lowercase=lowercase),
            characters=CharactersConfig(max_length=max_length),
        )
        table = FormTable(vocabulary)
        rows = table.rows(sentences)
        assert [row.tolist() for row in table.rows(sentences)] == [row.tolist() for row in rows]
        assert [len(row) for row in rows] == [len(sentence) for sentence in sentences]
        for tokens, row in zip(sentences, rows, strict=True):
            known = table.gather(row)
            assert row.all()  # row 0 is padding
            for at, token in enumerate(tokens):
                word, characters, affixes = encode_form(token, vocabulary)
                assert known.words[at] == word
                assert known.character_lengths[at] == len(characters)
                assert known.characters[at].tolist()[: len(characters)] == characters
                assert not known.characters[at, len(characters) :].any()
                assert known.affixes[at].tolist() == affixes

    def test_equal_forms_share_a_row(self) -> None:
        table = FormTable(build({"a": 1}))
        first, second = table.rows([["a", "b", "a"], ["b", "A"]])
        assert (first.tolist(), second.tolist()) == ([1, 2, 1], [2, 3])

    def test_row_0_is_padding(self) -> None:
        table = FormTable(build({"ab": 1}))
        table.rows([["ab"]])
        known = table.gather(np.array([0, 1]))
        assert (known.words[0], known.character_lengths[0]) == (PADDING, 0)
        assert not known.characters[0].any()
        assert not known.affixes[0].any()
        assert known.characters.shape == (2, 2)
        assert table.gather(np.array([0])).characters.shape == (1, 1)

    def test_grows_past_its_first_size(self) -> None:
        names = [f"w{number}" for number in range(3000)]
        vocabulary = build(dict.fromkeys(names[::2], 1))
        table = FormTable(vocabulary)
        (early,) = table.rows([names[:1000]])
        before = table.gather(early)
        (late,) = table.rows([names])
        assert late.tolist() == list(range(1, 3001))
        after, everything = table.gather(early), table.gather(late)
        for attribute in ("words", "characters", "character_lengths", "affixes"):
            np.testing.assert_array_equal(getattr(before, attribute), getattr(after, attribute))
        for at in (0, 1022, 1023, 1024, 2047, 2048, 2999):
            word, characters, affixes = encode_form(names[at], vocabulary)
            assert everything.words[at] == word
            assert everything.characters[at].tolist() == [*characters, 0, 0, 0][:5]
            assert everything.affixes[at].tolist() == affixes

    @pytest.mark.parametrize("failing", range(4))
    def test_goes_on_after_growing_has_failed(self, failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """No memory, or Ctrl-C, between two of its arrays."""
        names = [f"w{number}" for number in range(1030)]
        vocabulary = build(dict.fromkeys(names[::2], 1))
        table, grow, calls = FormTable(vocabulary), vocab_module._doubled, iter(range(99))

        def fail_once(array: Any) -> Any:
            if next(calls) == failing:
                raise MemoryError
            return grow(array)

        monkeypatch.setattr(vocab_module, "_doubled", fail_once)
        with pytest.raises(MemoryError):
            table.rows([names])
        found, whole = table.gather(table.rows([names])[0]), FormTable(vocabulary)
        expected = whole.gather(whole.rows([names])[0])
        for attribute in ("words", "characters", "character_lengths", "affixes"):
            np.testing.assert_array_equal(getattr(found, attribute), getattr(expected, attribute))

    def test_its_size_grows_with_each_new_form_and_its_length(self) -> None:
        table = FormTable(build({"a": 1}))
        sizes = [table.size]
        for form in ("x", "x", "y", "x" * 9_999):
            table.rows([[form]])
            sizes.append(table.size)
        assert sizes[0] == 0 < sizes[1] == sizes[2] == sizes[3] / 2
        assert sizes[4] - sizes[3] > sizes[1] + 9_000
        assert len(table) == 4

    def test_what_is_unknown(self) -> None:
        table = FormTable(build({"ab": 1}))
        known = table.gather(table.rows([["AB", "cab", "\ud800"]])[0])
        assert known.words.tolist() == [2, UNKNOWN, UNKNOWN]
        assert known.characters.tolist() == [[UNKNOWN, UNKNOWN, 0], [UNKNOWN, 2, 3], [UNKNOWN, 0, 0]]

    def test_long_words_lose_their_middle(self) -> None:
        vocabulary = build({"abcdefghi": 1}, characters=CharactersConfig(max_length=4))
        table = FormTable(vocabulary)
        known = table.gather(table.rows([["abcdefghi", "x" * 10000]])[0])
        spelled = [vocabulary.characters[number - 2] for number in known.characters[0]]
        assert spelled == ["a", "b", "h", "i"]
        assert known.character_lengths.tolist() == [4, 4]

    def test_forms_and_sentences_of_nothing(self) -> None:
        table = FormTable(build({"": 1, "a": 1}))
        empty, blank = table.rows([[], [""]])
        assert (empty.shape, empty.dtype) == ((0,), np.int64)
        known = table.gather(blank)
        assert (known.words.tolist(), known.character_lengths.tolist()) == ([2], [0])
        assert known.characters.tolist() == [[PADDING]]
        assert table.rows([]) == []
