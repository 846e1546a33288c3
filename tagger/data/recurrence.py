"""Sentences that come again: within a split, in another one, and with other tags.

A sentence is remembered by a digest, so memory grows by some 400 bytes for each and not by its text.
"""

from array import array
from dataclasses import dataclass
from hashlib import blake2b

from tagger.data.lines import quote

DUPLICATE, LEAKAGE, TAG_CONFLICT = "duplicate", "leakage", "tag-conflict"
# Tags are compared from this length on: shorter sentences ("Thanks .") may well be tagged by what stands around them.
MIN_COMPARED = 3
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A sentence met before.

    Attributes:
        kind: DUPLICATE, LEAKAGE or TAG_CONFLICT.
        position: of a conflict, the first token whose tag differs; else 0.
        message: what to say about it.
    """

    kind: str
    position: int
    message: str


class SentenceMemory:
    """Remembers sentences and says which came before.

    Args:
        min_length: tokens from which on a sentence that comes again is told; shorter ones are counted only.
        unknown: the tag that stands where nobody knows the tag, which contradicts none; None: there is none.

    Attributes:
        short_duplicates: sentences too short to be told that came again in their own split.
        short_leaks: likewise, in another split.
    """

    def __init__(self, *, min_length: int, unknown: str | None = None) -> None:
        self._min_length, self._unknown = min_length, unknown
        self._known: dict[bytes, tuple[str, str, bytes]] = {}
        self._tag_ids: dict[str, int] = {}
        self.short_duplicates = 0
        self.short_leaks = 0

    def add(self, tokens: tuple[str, ...], tags: tuple[str, ...], *, split: str, where: str) -> list[Recurrence]:
        """Remembers a sentence.

        Args:
            tokens: its tokens.
            tags: their tags.
            split: the split it is in.
            where: its place.

        Returns:
            What is to be said about it.
        """
        # repr tells ("a b",) from ("a", "b") whatever the tokens hold
        digest = blake2b(repr(tokens).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        ids = self._tag_ids
        spelled = array("I", [ids.setdefault(tag, len(ids)) for tag in tags])
        compact = array("B" if len(ids) < 256 else "I", spelled).tobytes()
        if digest not in self._known:
            self._known[digest] = (split, where, compact)
            return []
        found: list[Recurrence] = []
        known_split, known_where, known = self._known[digest]
        kind = DUPLICATE if known_split == split else LEAKAGE
        if len(tokens) >= self._min_length:
            found.append(Recurrence(kind=kind, position=0, message=f"also at {known_where}: {quote_sentence(tokens)}"))
        elif kind == DUPLICATE:
            self.short_duplicates += 1
        else:
            self.short_leaks += 1
        if len(tokens) >= MIN_COMPARED:
            before = self._tags_of(known, len(tokens))
            pairs = enumerate(zip(tags, before, strict=True))
            position = next((at for at, (tag, old) in pairs if tag != old and self._unknown not in (tag, old)), None)
            if position is not None:
                message = f"{quote(tokens[position])} is {tags[position]}, but {before[position]} in the sentence at "
                message += f"{known_where}: {quote_sentence(tokens)}"
                found.append(Recurrence(kind=TAG_CONFLICT, position=position, message=message))
        return found

    def _tags_of(self, compact: bytes, length: int) -> list[str]:
        names = list(self._tag_ids)
        return [names[number] for number in array("B" if len(compact) == length else "I", compact)]


def quote_sentence(tokens: tuple[str, ...]) -> str:
    """The beginning of a sentence, for people."""
    text = " ".join(tokens[:_SHOWN_CHARACTERS])
    return f'"{text}"' if len(text) <= _SHOWN_CHARACTERS else f'"{text[:_SHOWN_CHARACTERS]}..."'
