"""Raw text -> tokens with character offsets, by the conventions of the English Web Treebank (UD 2).

Text falls into chunks at whitespace, and a chunk is cut by itself, so the tokens of a chunk that comes again are
remembered. The cuts are English (clitics, abbreviations, prefixes); other scripts pass through as runs of letters.
Every pattern looks a bounded distance ahead, so time is linear in the text.
"""

import re
from functools import lru_cache
from typing import Any

import regex

from tagger.sentence import Sentence

Offsets = tuple[int, int]

_CACHED_CHUNK_LENGTH = 32

# Whitespace is what str.isspace says. \x1c-\x1f are whitespace to Python, not to Unicode.
_ASCII_CHUNK = re.compile(r"\S+")
# A space that carries a combining mark is one grapheme with it, and so part of the token.
_CHUNK = regex.compile(
    r"""(?: [^\s\x1c-\x1f]++
      | \p{Zs} (?= [\p{Grapheme_Cluster_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}\u200d] )
      | (?<= \p{Grapheme_Cluster_Break=Prepend} ) \p{Zs} )+""",
    regex.VERBOSE | regex.V1,
)
# `\X` counts all the flag letters before each position, which is quadratic in a run of flags; so pairs are named.
_FLAG = r"\p{RI}{1,2}+[\p{Grapheme_Cluster_Break=Extend}\p{Grapheme_Cluster_Break=SpacingMark}\u200d]*+"
_GRAPHEME = regex.compile(rf"{_FLAG}|\X", regex.V1)
_NEWLINE = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
_LINE_END = re.compile("[^\\S\n\r\x0b\x0c\x85\u2028\u2029]*(?:[\n\r\x0b\x0c\x85\u2028\u2029]|\\Z)")

# Words whose period belongs to them, in any case and as written. Left out: words that more often end a sentence
# ("no.", "mar.").
_ABBREVIATIONS = (
    "approx apt arr arrv assn attn ave blvd capt cf cmdr col conf corp dept dr esp est et etc ext fig ft fwd gov "
    "inc intl jr lb lbs lt ltd lv maj messrs mgr misc mr mrs ms mt mtg oz pls prof ps pvt recd rev sen sgt sr st "
    "tel univ vol vs yrs"
)
_CASED_ABBREVIATIONS = (
    "Adm Apr Aug Bros Co Comm Dec Feb Fri Gen Hon Jan Jul Jun La Mon Nov Oct Que Rep Reps Sat Sec Sept Sep Sun "
    "Thur Thurs Tue Tues Va Wed al eg ie"
)
_PREFIXES = (
    "anti arch bi co counter cross ex extra hyper infra inter intra mega micro mid mini mis multi neo non over "
    "post pre pro proto pseudo psycho quasi re semi socio sub super trans tri ultra un"
)
_UNITS = (
    r"am pm a\.m p\.m k m b mm bn cm km kg mg g lb lbs oz ft sq hz khz mhz ghz kb mb gb tb kw mw mph min mins hr "
    r"hrs sec secs yr yrs pt pts x percent hh usd eur"
)
_SUFFIXES = (
    r"com org net edu gov mil biz info co\.uk de ca doc docx xls xlsx ppt pptx pdf html htm txt jpg jpeg gif png "
    r"zip exe mp3 csv url"
)


def _any_of(words: str) -> str:
    return "(?:" + "|".join(sorted(words.split(" "), key=len, reverse=True)) + ")"


# One alternative per kind of token, the most special first; `\X` at the end takes whatever is left. Without the
# bounds on repetition, a look ahead that fails would be repeated from every position of a long run.
_TOKEN = regex.compile(
    rf"""
    # addresses
      (?i: https?:// | ftp:// | www\d?\. | mailto: ) [^\s<>"“”«»]* [^\s<>"“”«».,;:!?'’)\]}}]
    | \w [\w.+%~-]{{0,63}}+ @ [\w-]++ (?: \. [\w-]++ )*+
    | (?<! \w ) (?: \w [\w-]{{0,62}}+ \. ){{1,8}} (?i: {_any_of(_SUFFIXES)} ) (?! \w ) (?: / [^\s<>"]* [\w/] )?
    | (?<! \w ) (?: alt | comp | sci | soc ) (?: \. [a-z][\w-]*+ ){{1,8}}+
    | [@\#] (?= [\p{{L}}_] ) \w++
    # emoticons
    | >? [:;=] ['’^-]? [)(\]\[|/\\]++ (?! \w ) | \( [:;=] (?! \w ) | <3++ (?! \w )
    | (?<! \w ) (?: [:;=] ['’^-]? [DPpOo*]++ | [xX]D++ ) (?! \w ) (?<! [:;=] \* )
    | \^_*\^ | -_+- | >_+< | (?<! \w ) [oO]_+[oO] (?! \w ) | ¯\\_\(ツ\)_/¯
    # abbreviations
    | (?<! \w ) \p{{L}} \. \p{{L}} (?: \. \p{{L}} ){{0,10}}+ (?! \w ) (?: \. (?! [.\w] ) )?
    | (?<! \w ) (?: (?! I ) \p{{Lu}} | Ph\.D | (?i: {_any_of(_ABBREVIATIONS)} ) | {_any_of(_CASED_ABBREVIATIONS)} )
      \. (?! [.\w] )
    | (?<! \w ) (?: \p{{L}}{{1,3}} & \p{{L}}{{1,3}} | \p{{L}} / \p{{L}} | [Ww]/(?: out )? ) (?! \w )
    | (?<! \w ) (?: US | U | AU | CA | C | A | NZ | HK ) \$
    # numbers
    | (?<! \w ) (?: \d++ (?: - \d++ ){{2,5}}+ | \d{{3}} - \d{{4}} | \d{{5}} - \d{{4}}
      | \d\d? - \p{{L}}{{3}} - (?: \d\d ){{1,2}} ) (?! [\w-] )
    | (?<! [\w.] ) [.+] \d++ (?: [.,] \d++ ){{0,15}}+ (?! \w )
    | (?<! \w ) \d++ (?: [.,:/] \d++ ){{0,15}}+ (?= (?i: {_any_of(_UNITS)} ) (?! \w ) )
    | (?<! \w ) \d++ (?: [.,:/] \d++ ){{0,15}}+ (?: (?i: st | nd | rd | th | ['’]? s ) (?! \w ) )?
      (?! [\w--[\d]] )
    | (?<! \w ) \d{{1,3}} (?: , \d{{3}} ){{1,15}}+ (?= \p{{L}} )
    # words and their clitics
    | (?i: n ['’] t | ['’`´] (?: s | m | d | ll | re | ve ) ) (?! \w )
    | (?<! \w ) ['’] (?: (?i: em | cause | n | til | tis | twas | bout ) | \d\ds? ) (?! \w )
    | (?<! \w ) (?i: can (?= not (?! \w ) ) | (?: gon | wan ) (?= na (?! \w ) ) | (?: got | out ) (?= ta (?! \w ) )
      | (?: lem | gim ) (?= me (?! \w ) )
      | (?: do | does | did | ca | wo | would | could | should | is | are | was | were | have | has | ai )
        (?= nt (?! \w ) )
      | (?: that | what | there | here | who ) (?= s (?! \w ) ) (?! whos ) | (?: you | they ) (?= re (?! \w ) )
      | i (?= ve (?! \w ) ) )
    | (?<! [\w-] ) (?i: {_any_of(_PREFIXES)} - | e - (?= \p{{L}}{{3}} ) ) (?= [^\W_] ) \w++
    | [[\w\p{{Cf}}]--[\u200b]]+? (?= (?i: n ['’] t ) (?! \w ) )
    | [[\w\p{{Cf}}]--[\u200b]]++ (?: ['’] (?! (?i: s | m | d | ll | re | ve ) (?! \w ) ) (?= \p{{L}} ) \w++ )*+ \u200b*+
    # punctuation
    | [!?]++ \.? | \. [!?]++ | […。！？]{{2,}}+
    | [-=]++ > | < [-=]++ | [-=]{{2,}}+ | \${{2,}}+ | ([\p{{P}}=+~^|<>`--()\[\]{{}}"%]) \1++
    | {_FLAG} | \X
    """,
    regex.VERBOSE | regex.V1,
)

_CLOSERS = frozenset(")]}\"'”’»›")
_TERMINATOR = re.compile("[.!?…。！？｡؟۔\u0964\u0965]+")
# These end a sentence without a space behind them.
_WIDE_TERMINATORS = frozenset("。！？｡")
_WIDE_CLOSERS = frozenset("」』）】》〉”’")
_SENTENCE_START = regex.compile(r"""[\p{Lu}\p{Lt}\p{Lo}\p{N}"'`“‘«‹„¿¡(\[「『]""")
_NUMBER = re.compile(r"\d{1,3}")


def tokenize(text: str) -> list[Offsets]:
    """Cuts text into tokens.

    Every character that is not whitespace is in exactly one token; no grapheme cluster (an emoji with its skin tone,
    a letter with its accents) is cut.

    Args:
        text: any text.

    Returns:
        For each token, in order, its half-open `(start, end)` in characters of `text`.
    """
    tokens: list[Offsets] = []
    chunks: Any = (_ASCII_CHUNK if text.isascii() else _CHUNK).finditer(text)
    previous_end = 0
    for match in chunks:
        start, end = match.span()
        chunk = match.group()
        cuts = _cut_cached(chunk) if end - start <= _CACHED_CHUNK_LENGTH else _cut(chunk)
        tokens.extend([(start + left, start + right) for left, right in cuts])
        # The treebank takes the period off an abbreviation that ends a text: it is the sentence's.
        if (
            chunk[-1] == "."
            and cuts[-1][1] - cuts[-1][0] > 1
            and chunk[-2] not in ".!?…"
            and _GRAPHEME.match(chunk, len(chunk) - 2).end() < len(chunk)
            and (previous_end and not _NEWLINE.search(text, previous_end, start))
            and _LINE_END.match(text, end)
        ):
            left, right = tokens.pop()
            tokens += [(left, right - 1), (right - 1, right)]
        previous_end = end
    return tokens


def _cut(chunk: str) -> tuple[Offsets, ...]:
    """The tokens of a stretch of text that is surrounded by whitespace."""
    cuts = [match.span() for match in _TOKEN.finditer(chunk)]
    if chunk.isascii():
        return tuple(cuts)
    # The patterns think in characters; a cut inside a grapheme cluster is taken back here.
    borders = {match.end() for match in _GRAPHEME.finditer(chunk)}
    merged: list[Offsets] = []
    start = 0
    for _, end in cuts:
        if end in borders:
            merged.append((start, end))
            start = end
    return tuple(merged)


_cut_cached = lru_cache(maxsize=1 << 15)(_cut)


def split_text(text: str) -> list[Sentence]:
    """Cuts text into sentences of tokens.

    A line end ends a sentence. So do `.`, `!`, `?` and `…` (with quotes and brackets that close behind them) before
    a space and a capital, a digit, a quote, or a letter of a script without capitals. The period of an abbreviation
    or of an initial does not. No token is cut.

    Args:
        text: any text.

    Returns:
        The sentences, without tags; their offsets are into `text`. None of them is empty.
    """
    tokens = tokenize(text)
    return [
        Sentence(tokens=tuple(text[start:end] for start, end in tokens[first:last]), offsets=tuple(tokens[first:last]))
        for first, last in _group_sentences(text, tokens)
    ]


def _group_sentences(text: str, tokens: list[Offsets]) -> list[Offsets]:
    """For each sentence its first token and the one after its last."""
    groups: list[Offsets] = []
    first = 0
    for position in range(1, len(tokens)):
        gap = text[tokens[position - 1][1] : tokens[position][0]]
        if (gap and _NEWLINE.search(gap)) or _ends_sentence(text, tokens, first, position, bool(gap)):
            groups.append((first, position))
            first = position
    if tokens:
        groups.append((first, len(tokens)))
    return groups


def _ends_sentence(text: str, tokens: list[Offsets], first: int, position: int, has_gap: bool) -> bool:
    """Whether a sentence that began at token `first` ends before token `position`."""
    start = tokens[position][0]
    last = position - 1
    if not has_gap:
        if text[start] in _WIDE_CLOSERS or text[start].isspace():
            return False
        return text[tokens[_skip_closers(text, tokens, first, last, _WIDE_CLOSERS)][0]] in _WIDE_TERMINATORS
    if _SENTENCE_START.match(text, start) is None:
        return False
    last = _skip_closers(text, tokens, first, last, _CLOSERS)
    if not _TERMINATOR.fullmatch(text, *tokens[last]):
        return False
    # "1. Open the lid": the number of a list's item is no sentence.
    return not (last == first + 1 and _NUMBER.fullmatch(text, *tokens[first]) and text[tokens[last][0]] == ".")


def _skip_closers(text: str, tokens: list[Offsets], first: int, last: int, closers: frozenset[str]) -> int:
    """Walks back over closing quotes and brackets that stand directly behind the token before them."""
    while last > first and text[tokens[last][0]] in closers and tokens[last - 1][1] == tokens[last][0]:
        last -= 1
    return last
