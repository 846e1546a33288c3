"""YAML as people write it in a config: one mapping, no key twice, 1e-3 a number; errors name the file and the line."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from tagger.config import Config
from tagger.errors import ConfigError

_SECTIONS = ", ".join(section.name for section in fields(Config))
_MAX_NODES = 4_000  # of YAML; more than any config has that passes `check_config`


class _Loader(yaml.SafeLoader):
    """YAML as people write it: 1e-3 is a number, which PyYAML takes for text, and 2024-01-01 is text."""


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what `_Loader` would not take for text."""


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith(":timestamp")]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _exponent = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _exponent, list("-+0123456789"))


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    number: int = loader.construct_yaml_int(node)
    str(number)  # a ValueError if it has more digits than Python spells, in a message too
    return number


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def load_yaml(text: str, path: Path) -> dict[str, Any]:
    """The mapping that a file's text spells; of an empty text, an empty one.

    Args:
        text: the text.
        path: the file, for messages.

    Raises:
        ConfigError: it is not YAML, or no mapping.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{path}: expected sections {_SECTIONS}, got {text.split()[0]!r} ...")
        if _count_nodes(node, {}) > _MAX_NODES:
            raise ConfigError(f"{path}: holds more than {_MAX_NODES} values")
        _check_duplicates(node, path)
        settings: dict[str, Any] = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigError(f"{path}{line}: not YAML: {problem}") from error
    except ValueError as error:  # 0x_, which PyYAML takes for a number
        raise ConfigError(f"{path}: not YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error
    return settings


def dump_yaml(settings: dict[str, Any]) -> str:
    """The settings as YAML, which `load_yaml` reads back to equal ones."""
    text = yaml.dump(settings, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    # PyYAML writes a next-line character as it stands, but reads it as the end of a line.
    return text if "\x85" not in text else yaml.dump(settings, Dumper=_Dumper, sort_keys=False)


def _count_nodes(node: yaml.Node, counted: dict[int, int]) -> int:
    """Nodes below and including this one where each alias is written out: a few lines can stand for billions."""
    if id(node) not in counted:
        counted[id(node)] = 0
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
        counted[id(node)] = 1 + sum(_count_nodes(part, counted) for part in inner)
    elif not counted[id(node)]:
        raise RecursionError("a value that holds itself")
    return counted[id(node)]


def _check_duplicates(node: yaml.Node, path: Path) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        where = f"{path}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{where}: expected a word as key")
        if key.value in seen:
            raise ConfigError(f"{where}: {key.value}: stands here twice")
        seen.add(key.value)
        _check_duplicates(value, path)
