"""Buckets and collation: a partition within its budgets, and padding that loses and adds nothing."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tagger.data.batches import Batch, LazyBatches, bucket, collate
from tagger.data.vocab import FormTable, Vocabulary
from tests.data.test_vocab import build, encode_form, forms

sentences_of_forms = st.lists(st.lists(forms, min_size=1, max_size=6), min_size=1, max_size=5)
length_lists = st.lists(st.integers(0, 30), max_size=60)


def make_batch(sentences: Sequence[Sequence[str]], vocabulary: Vocabulary, *, tagged: bool = True) -> Batch:
    """The sentences as one batch; the tag of token t of sentence b is 10 b + t + 1."""
    table = FormTable(vocabulary)
    table.rows([["seen", "before"]])
    tags = [np.arange(len(tokens)) + 10 * at + 1 for at, tokens in enumerate(sentences)]
    return collate(table.rows(sentences), table=table, tags=tags if tagged else None)


class TestCollate:
    @given(sentences_of_forms, st.sets(forms, max_size=5))
    def test_every_token_can_be_gathered_back(self, sentences: list[list[str]], train: set[str]) -> None:
        vocabulary = build(dict.fromkeys(train, 1))
        batch = make_batch(sentences, vocabulary)
        assert batch.lengths.tolist() == [len(tokens) for tokens in sentences]
        assert batch.tags is not None
        for b, tokens in enumerate(sentences):
            for t, token in enumerate(tokens):
                word, characters, affixes = encode_form(token, vocabulary)
                form = int(batch.forms[b, t])
                assert int(batch.words[form]) == int(batch.words_of_tokens[b, t]) == word
                assert int(batch.tags[b, t]) == 10 * b + t + 1
                assert int(batch.character_lengths[form]) == len(characters)
                assert batch.characters[form].tolist() == characters + [0] * (
                    batch.characters.size(1) - len(characters)
                )
                assert batch.affixes[form].tolist() == affixes

    @given(sentences_of_forms)
    def test_shapes_and_padding(self, sentences: list[list[str]]) -> None:
        vocabulary = build({"a": 1})
        batch = make_batch(sentences, vocabulary)
        size = (len(sentences), max(map(len, sentences)))
        distinct = {token for tokens in sentences for token in tokens}
        is_padded = len({len(tokens) for tokens in sentences}) > 1
        num_forms = len(distinct) + is_padded
        longest = max(1, max(min(len(token), vocabulary.max_length) for token in distinct))
        assert batch.forms.shape == batch.words_of_tokens.shape == batch.mask.shape == size
        assert batch.words.shape == (num_forms,)
        assert batch.forms.unique().tolist() == list(range(num_forms))
        assert batch.characters.shape == (num_forms, longest)
        assert batch.character_lengths.shape == (num_forms,)
        assert batch.affixes.shape == (num_forms, vocabulary.num_affixes)
        assert batch.mask.sum(dim=1).tolist() == batch.lengths.tolist()
        assert batch.tags is not None
        for tensor in (batch.forms, batch.words_of_tokens, batch.tags):
            assert not tensor[~batch.mask].any()
        padding = batch.forms[~batch.mask]
        assert not batch.words[padding].any()
        assert not batch.characters[padding].any()
        assert not batch.affixes[padding].any()
        assert not batch.character_lengths[padding].any()
        assert batch.allowed is None
        tensors = [getattr(batch, name) for name in Batch.__dataclass_fields__ if name != "allowed"]
        assert {tensor.dtype for tensor in tensors} == {torch.int64}

    @given(sentences_of_forms)
    def test_what_is_allowed_comes_back_and_padding_is_free(self, sentences: list[list[str]]) -> None:
        table = FormTable(build({"a": 1}))
        rows = table.rows(sentences)
        generator = np.random.default_rng(len(rows))
        flags = [generator.random((len(row), 5)) < 0.5 for row in rows]
        batch = collate(rows, table=table, tags=None, allowed=flags)
        assert batch.allowed is not None
        assert batch.allowed.shape == (*batch.forms.shape, 5)
        for padded, kept in zip(batch.allowed, flags, strict=True):
            assert padded[: len(kept)].tolist() == kept.tolist()
            assert padded[len(kept) :].all()

    @given(sentences_of_forms, sentences_of_forms)
    def test_company_changes_nothing(self, sentences: list[list[str]], others: list[list[str]]) -> None:
        vocabulary = build({"a": 1, "b1": 2})
        alone, together = make_batch(sentences, vocabulary), make_batch([*sentences, *others], vocabulary)
        for b, tokens in enumerate(sentences):
            here, there = alone.forms[b, : len(tokens)], together.forms[b, : len(tokens)]
            assert torch.equal(alone.words[here], together.words[there])
            assert torch.equal(alone.affixes[here], together.affixes[there])
            width = alone.characters.size(1)
            assert torch.equal(alone.characters[here], together.characters[there][:, :width])
            assert not together.characters[there][:, width:].any()

    def test_without_tags(self) -> None:
        batch = make_batch([["a"], ["b", "c"]], build({"a": 1}), tagged=False)
        assert batch.tags is None
        assert batch.to(torch.device("cpu")) is batch

    def test_on_another_device(self) -> None:
        batch = make_batch([["a"], ["b", "c"]], build({"a": 1}))
        batch = replace(batch, allowed=torch.ones(2, 2, 3, dtype=torch.bool))
        moved = batch.to(torch.device("meta"))
        for name in Batch.__dataclass_fields__:
            assert getattr(moved, name).device.type == "meta"
            assert getattr(moved, name).shape == getattr(batch, name).shape


class TestLazyBatches:
    def test_makes_each_batch_of_its_sentences(self) -> None:
        sentences = [["a"], ["b", "c"], ["d", "e", "f"], ["a", "d"]]
        table = FormTable(build({"a": 1, "d": 1}))
        rows = table.rows(sentences)
        tags = [np.full(len(tokens), at) for at, tokens in enumerate(sentences)]
        batches = LazyBatches([[2], [3, 1], [0]], rows=rows, table=table, tags=tags)
        assert len(batches) == 3
        for _ in range(2):  # as often as it is gone through
            assert [batch.tags.tolist() for batch in batches if batch.tags is not None] == [
                [[2, 2, 2]],
                [[3, 3], [1, 1]],
                [[0]],
            ]

    def test_what_is_allowed_goes_with_its_sentence(self) -> None:
        sentences = [["a"], ["b", "c"], ["d"]]
        table = FormTable(build({"a": 1}))
        tags = [np.zeros(len(tokens), dtype=np.int64) for tokens in sentences]
        flags = [np.eye(3, dtype=np.bool_)[[at] * len(tokens)] for at, tokens in enumerate(sentences)]
        batches = LazyBatches([[2], [1, 0]], rows=table.rows(sentences), table=table, tags=tags, allowed=flags)
        found = [batch.allowed[:, 0].int().argmax(dim=1).tolist() for batch in batches if batch.allowed is not None]
        assert found == [[2], [1, 0]]


class TestBucket:
    @given(
        length_lists,
        st.none() | st.integers(1, 9),
        st.none() | st.integers(1, 90),
        st.none() | st.tuples(st.integers(0, 2**63 - 1), st.integers(1, 99)),
    )
    def test_is_a_partition_within_its_budgets(
        self, lengths: list[int], batch_size: int | None, batch_tokens: int | None, seed: tuple[int, int] | None
    ) -> None:
        batches = bucket(lengths, batch_size=batch_size, batch_tokens=batch_tokens, seed=seed)
        assert sorted(at for batch in batches for at in batch) == [at for at, size in enumerate(lengths) if size]
        for batch in batches:
            assert batch
            assert batch_size is None or len(batch) <= batch_size
            padded = len(batch) * max(lengths[at] for at in batch)
            assert batch_tokens is None or padded <= batch_tokens or len(batch) == 1
        assert bucket(lengths, batch_size=batch_size, batch_tokens=batch_tokens, seed=seed) == batches

    @given(length_lists, st.integers(1, 9))
    def test_without_a_seed_they_come_by_length_then_place(self, lengths: list[int], batch_size: int) -> None:
        batches = bucket(lengths, batch_size=batch_size, batch_tokens=None)
        expected = sorted((at for at, size in enumerate(lengths) if size), key=lambda at: lengths[at])
        assert [at for batch in batches for at in batch] == expected
        assert all(len(batch) == batch_size for batch in batches[:-1])

    @given(st.lists(st.integers(1, 30), max_size=60), st.integers(1, 90))
    def test_a_batch_ends_only_where_the_next_would_not_fit(self, lengths: list[int], batch_tokens: int) -> None:
        batches = bucket(lengths, batch_size=None, batch_tokens=batch_tokens)
        for batch, following in pairwise(batches):
            assert (len(batch) + 1) * lengths[following[0]] > batch_tokens

    def test_each_epoch_and_each_seed_has_its_own_order(self) -> None:
        lengths = [1 + at % 17 for at in range(200)]
        orders = [
            bucket(lengths, batch_size=8, batch_tokens=None, seed=seed) for seed in [(1, 1), (1, 2), (2, 1), (0, 1)]
        ]
        assert all(one != other for at, one in enumerate(orders) for other in orders[:at])
        as_sets = [{frozenset(batch) for batch in order} for order in orders]
        assert as_sets[0] != as_sets[1]  # not the same batches in another order

    def test_like_lengths_stand_together(self) -> None:
        """Blurred by up to a fifth: a batch of shuffled sentences holds no lengths that differ by more than 1.5."""
        lengths = [size for size in range(1, 60) for _ in range(20)]
        for batch in bucket(lengths, batch_size=4, batch_tokens=None, seed=(3, 1)):
            sizes = [lengths[at] for at in batch]
            assert max(sizes) <= 1.6 * min(sizes) + 1

    def test_limits(self) -> None:
        assert bucket([], batch_size=2, batch_tokens=None, seed=(1, 1)) == []
        assert bucket([0, 0], batch_size=2, batch_tokens=None) == []
        assert bucket([3, 1, 2], batch_size=None, batch_tokens=None) == [[1, 2, 0]]
        assert bucket([9, 1, 9], batch_size=None, batch_tokens=4) == [[1], [0], [2]]
