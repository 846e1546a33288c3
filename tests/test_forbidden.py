"""What must not stand in the package: whatever executes data."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import tagger
from tagger.config_yaml import _Loader

SOURCES = sorted(Path(tagger.__file__).parent.rglob("*.py"))
# Anywhere, in comments and names too: a reader who greps for them finds nothing to think about. `seqeval(` is no call
# of `eval`.
NOWHERE = ["pickle", r"torch\.load", r"torch\.save", r"\beval\(", r"\bexec\(", "trust_remote_code", r"hub\.load\("]
MODULES = {"cloudpickle", "code", "dill", "importlib.util", "joblib", "marshal", "pty", "shelve", "subprocess"}
CALLS = {"compile", "eval", "exec", "__import__", "system", "popen", "unsafe_load", "full_load", "load_all"}


def hits(pattern: str, text: str) -> list[str]:
    return [line for line in text.splitlines() if re.search(pattern, line)]


def forbidden_parts(source: str) -> Iterator[str]:
    """Imports of `MODULES`, and calls of `CALLS` by themselves (`compile(...)`, but not `re.compile(...)`) or of os."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from MODULES.intersection(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from MODULES.intersection([node.module or ""])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from CALLS.intersection([node.func.id])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from CALLS.intersection([node.func.attr]) - {"compile"}


@pytest.mark.parametrize("pattern", NOWHERE)
def test_is_nowhere_in_the_package(pattern: str) -> None:
    assert len(SOURCES) > 60
    found = {path.name: hits(pattern, path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_nothing_is_called_that_executes_data() -> None:
    found = {path.name: sorted(forbidden_parts(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert {name: parts for name, parts in found.items() if parts} == {}


def test_yaml_is_read_by_a_safe_loader_alone() -> None:
    assert issubclass(_Loader, yaml.SafeLoader)
    calls = [call for path in SOURCES for call in re.findall(r"yaml\.\w+\([^)]*\)", path.read_text(encoding="utf-8"))]
    reading = [call for call in calls if not call.startswith("yaml.dump(")]
    assert len(reading) >= 2
    assert all(call.endswith("Loader=_Loader)") for call in reading)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "x = torch.load(f)",
        "eval('1')",
        "a.eval()",
        "exec (x)",
        "from subprocess import run",
        "os.system(c)",
    ],
)
def test_these_tests_find_it(line: str) -> None:
    assert any(hits(pattern, line) for pattern in NOWHERE) or list(forbidden_parts(line))
