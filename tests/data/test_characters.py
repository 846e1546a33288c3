"""What is suspicious in a token, and what only looks so."""

import pytest

from tagger.data.characters import find_suspicious


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ", "a blank at its edge"),
        ("a\u200bb", "zero-width space (U+200B)"),
        ("a\u200db", "zero-width joiner (U+200D)"),
        ("x\u00a0y", "no-break space (U+00A0)"),
        ("a\x07", "control character (U+0007)"),
        ("a\u0085", "control character (U+0085)"),
        ("\ufeffa", "byte-order mark (U+FEFF)"),
        ("co\u00adop", "soft hyphen (U+00AD)"),
        ("\u202ea", "direction control (U+202E)"),
        ("caf\ufffd", "replacement character, where text was lost (U+FFFD)"),
        ("\ue000", "private-use character (U+E000)"),
        ("\uffff", "no character of Unicode (U+FFFF)"),
        ("\ufe0f", "nothing visible in it (U+FE0F)"),
        ("a\u2028b\u200b", "line separator (U+2028), zero-width space (U+200B)"),
        ("cafÃ©", "encoding damage (Ã© where é belongs)"),
        ("Itâ€™s", "encoding damage (â€™ where ’ belongs)"),
        ("ðŸ˜€", "encoding damage (ðŸ˜€ where 😀 belongs)"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "encoding damage (Ð¿Ñ€Ð¸Ð²ÐµÑ‚ where привет belongs)"),
        ("рaypal", "Latin and Cyrillic letters within one word"),
        ("Υes", "Latin letters and Greek ones that look Latin within one word"),
    ],
)
def test_suspicious(text: str, expected: str) -> None:
    assert find_suspicious(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("abc", "a b", "é", "NÃO", "AMANHÃ»", "PRONTÓ”", "naïve", "Ñandú", "Größe", "Å", "Ångström", "Ð", "crème"),
        *("μm", "kΩ", "α-helix", "USB-кабель", "привет", "Ελλάδα", "日本語", "हिन्दी", "می\u200cخواهم", "שלום"),
        *(
            "👨\u200d👩\u200d👧",
            "❤\ufe0f",
            "🇩🇪",
            "1\ufe0f\u20e3",
            "e\u0301",
            "“",
            "…",
            "—",
            "°",
            "×",
            "¡Olé!",
            "Â",
            "Ã",
        ),
    ],
)
def test_ordinary(text: str) -> None:
    assert find_suspicious(text) is None


@pytest.mark.parametrize("text", ["é", "’", "…", "—", "ñ", "ü", "😀", "привет", "£", "ş"])
def test_what_was_read_as_another_encoding_is_found(text: str) -> None:
    shown = text.encode().decode("cp1252", "strict") if text not in ("привет",) else "Ð¿Ñ€Ð¸Ð²ÐµÑ‚"
    assert str(find_suspicious(f"a{shown}")).startswith("encoding damage")
