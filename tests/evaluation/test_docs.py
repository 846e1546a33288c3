"""docs/reports.md explains every key of a report and of a comparison."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from tagger.evaluation.comparison import Comparison
from tagger.evaluation.report import Report

DOC = Path(__file__).parents[2] / "docs" / "reports.md"
# places and the like, which are no numbers of the report
PLAIN = {"sentence", "start", "end", "place", "index"}


def dataclasses_in(kind: Any) -> set[type]:
    """Every dataclass that a type is made of."""
    if is_dataclass(kind) and isinstance(kind, type):
        inside = (dataclasses_in(hint) for name, hint in get_type_hints(kind).items() if name != "DERIVED")
        return {kind}.union(*inside)
    return set().union(*(dataclasses_in(part) for part in get_args(kind)))


def test_every_key_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", DOC.read_text(encoding="utf-8")))
    keys = {
        name
        for kind in dataclasses_in(Report) | dataclasses_in(Comparison)
        for name in (*getattr(kind, "DERIVED", ()), *(each.name for each in fields(kind)))
    }
    assert len(keys) > 80
    assert sorted(keys - PLAIN - explained) == []
