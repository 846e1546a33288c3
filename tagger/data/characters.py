"""Characters in a token that a reader of the text would not expect there: invisible, damaged, or of another script.

Each rule names what it would take to be wrong: text in any script, emoji sequences and units such as `μm` pass.
"""

import re
import unicodedata

_NAMES = {
    "\u00ad": "soft hyphen",
    "\u200b": "zero-width space",
    "\u200e": "left-to-right mark",
    "\u200f": "right-to-left mark",
    "\u2028": "line separator",
    "\u2029": "paragraph separator",
    "\u2060": "word joiner",
    "\ufeff": "byte-order mark",
    "\ufffd": "replacement character, where text was lost",
}
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = {"\u200c": "zero-width non-joiner", "\u200d": "zero-width joiner"}
_QUOTES = frozenset("«»‘’‚“”„‹›…–—")

# What Windows-1252 shows for each byte; the five that it leaves out show as controls.
_BYTES = {bytes([byte]).decode("cp1252", "ignore") or chr(byte): byte for byte in range(0x80, 0x100)}
_TAIL = "[" + "".join(map(re.escape, (char for char, byte in _BYTES.items() if byte < 0xC0))) + "]"
_DAMAGE = re.compile(f"(?:[Â-ß]{_TAIL}|[à-ï]{_TAIL}{{2}}|[ð-ô]{_TAIL}{{3}})+")

# Capitals and small letters of Greek that look like Latin ones.
_GREEK_TWINS = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοϲ")


def find_suspicious(text: str) -> str | None:
    """What is suspicious about a token's or a tag's characters; None: nothing.

    Args:
        text: a token or a tag.

    Returns:
        A phrase such as `zero-width space (U+200B)`; several are joined by commas.
    """
    if text.isascii() and text.isprintable() and text == text.strip(" "):
        return None
    found: dict[str, None] = {}
    if text != text.strip(" "):
        found["a blank at its edge"] = None
    for position, character in enumerate(text):
        if not character.isascii() or not character.isprintable():
            name = _name_suspect(text, position)
            if name:
                found[f"{name} (U+{ord(character):04X})"] = None
    if not found and _is_invisible(text):
        found[f"nothing visible in it ({' '.join(f'U+{ord(each):04X}' for each in text)})"] = None
    if damage := _find_damage(text):
        found[f"encoding damage ({damage[0]} where {damage[1]} belongs)"] = None
    if mixture := _find_mixture(text):
        found[f"{mixture} within one word"] = None
    return ", ".join(found) or None


def _name_suspect(text: str, position: int) -> str | None:
    character = text[position]
    if character in _NAMES:
        return _NAMES[character]
    if character in _DIRECTIONS:
        return "direction control"
    if character in _JOINERS:
        # Persian, Indic scripts and emoji need joiners; beside ASCII or alone they join nothing.
        beside = text[max(position - 1, 0) : position] + text[position + 1 : position + 2]
        return _JOINERS[character] if not beside or beside.isascii() else None
    category = unicodedata.category(character)
    if category == "Zs" and character != " ":
        return unicodedata.name(character, "space").lower()
    if category == "Cc":
        return "control character"
    if category == "Co":
        return "private-use character"
    is_no_character = ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef"
    return "no character of Unicode" if is_no_character else None


def _is_invisible(text: str) -> bool:
    """Whether nothing in it shows: marks without a letter to stand on, such as a lone variation selector."""
    return all(0xFE00 <= ord(each) <= 0xFE0F or unicodedata.category(each) in ("Cf", "Me") for each in text)


def _find_damage(text: str) -> tuple[str, str] | None:
    """UTF-8 that was read as Windows-1252: what stands there, and what belongs there."""
    for match in _DAMAGE.finditer(text):
        shown = match.group()
        try:
            meant = bytes(_BYTES[each] for each in shown).decode("utf-8")
        except UnicodeDecodeError:
            continue
        if not meant.isprintable() and "\u00a0" not in meant:
            continue
        # One pair may be a capital and what follows it: AMANHÃ and a closing quotation mark, say.
        is_pair = len(shown) == len("Ã©")
        if is_pair and (shown[0] not in "ÂÃÄÅ" or shown[1] in _QUOTES):
            continue
        if len(meant) == 1 and not is_pair and shown[0] not in "âðï":
            continue
        return shown, meant
    return None


def _find_mixture(text: str) -> str | None:
    """Two scripts within one run of letters, where one may pass for the other."""
    if text.isascii():
        return None
    for word in re.findall(r"[^\W\d_]{2,}", text):
        if word.isascii():
            continue
        scripts = {_script(each) for each in word}
        if {"LATIN", "CYRILLIC"} <= scripts:
            return "Latin and Cyrillic letters"
        if {"LATIN", "GREEK"} <= scripts and any(each in _GREEK_TWINS for each in word):
            return "Latin letters and Greek ones that look Latin"
    return None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
