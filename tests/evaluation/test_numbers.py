import pytest

from tagger.evaluation.numbers import format_count, format_percent


@pytest.mark.parametrize(("value", "shown"), [(None, "-"), (0.0, "0.00"), (1.0, "100.00"), (0.12346, "12.35")])
def test_format_percent(value: float | None, shown: str) -> None:
    assert format_percent(value) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 sentences"), (1, "1 sentence"), (2, "2 sentences"), (12345, "12,345 sentences")]
)
def test_format_count(number: int, shown: str) -> None:
    assert format_count(number, "sentence") == shown
