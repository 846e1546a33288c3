"""Configs: the schema, files and overrides, what is refused and how it is said, write -> read."""

import json
import re
import typing
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.config import (
    AffixesConfig,
    CharactersConfig,
    Config,
    DataConfig,
    FeaturesConfig,
    ModelConfig,
    TrainingConfig,
    WordsConfig,
)
from tagger.config_checks import check_config
from tagger.config_file import config_parser, dump_config, load_config, restore_config
from tagger.config_types import SETTINGS, value_of
from tagger.errors import ConfigError, MissingInputError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
FILE = {"data": {"train": "a.conll"}}  # the least that a config must say


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    folder.mkdir()
    return folder / "a.yaml"


def nested(key: str, value: object) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in extra.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return result


def write(path: Path, *extra: tuple[str, object]) -> Path:
    """A config file: `FILE`, and these settings."""
    settings = FILE
    for key, value in extra:
        settings = merged(settings, nested(key, value))
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def error_of(path: Path, *overrides: str) -> str:
    """The message of the error, which is one line."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestSchema:
    @staticmethod
    def classes(schema: type[Any] = Config) -> Iterator[type[Any]]:
        yield schema
        for hint in typing.get_type_hints(schema).values():
            if is_dataclass(hint):
                yield from TestSchema.classes(typing.cast(type[Any], hint))

    def test_every_field_is_described(self) -> None:
        for schema in self.classes():
            described = (schema.__doc__ or "").partition("Attributes:")[2]
            names = {line.strip().partition(":")[0] for line in described.splitlines() if line.startswith(" " * 8)}
            assert {field.name for field in fields(schema)} <= names, schema

    def test_every_setting_is_a_command_line_option_with_help(self) -> None:
        text = config_parser().format_help()
        assert [key for key in SETTINGS if f"--{key} " not in text] == []

    def test_defaults_are_valid_once_there_is_data(self) -> None:
        config = Config(data=DataConfig(train="/a.conll"))
        check_config(config, where="here")
        with pytest.raises(ConfigError, match=r"^here: data\.train: needs a file to train on$"):
            check_config(Config(), where="here")


class TestShippedConfigs:
    def test_there_are_some(self) -> None:
        assert {"pos_sample.yaml", "ner_sample.yaml", "tutorial_pos.yaml"} <= {path.name for path in CONFIGS}

    @pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
    def test_loads_and_begins_with_one_line_of_comment(self, path: Path) -> None:
        first, second = path.read_text(encoding="utf-8").splitlines()[:2]
        assert first.startswith("# ")
        assert not second.startswith("#")
        assert isinstance(load_config(path), Config)

    @pytest.mark.parametrize("name", ["pos_sample", "ner_sample", "tutorial_pos", "tutorial_char"])
    def test_what_comes_with_the_project_is_there(self, name: str) -> None:
        data = load_config(CONFIGS[0].with_name(f"{name}.yaml")).data
        assert all(Path(each).is_file() for each in (data.train, data.dev, data.test) if each is not None)


class TestLoad:
    def test_values_and_defaults(self, path: Path) -> None:
        write(
            path,
            ("data.scheme", "BIO"),
            ("features.characters.kind", "lstm"),
            ("features.affixes.prefixes", [1, 5]),
            ("model.head", "crf"),
            ("training.batch_tokens", 2048),
        )
        assert load_config(path) == Config(
            data=DataConfig(train=str(path.parent / "a.conll"), scheme="BIO"),
            features=FeaturesConfig(characters=CharactersConfig(kind="lstm"), affixes=AffixesConfig(prefixes=[1, 5])),
            model=ModelConfig(head="crf"),
            training=TrainingConfig(batch_tokens=2048),
        )

    def test_a_text_path_is_taken(self, path: Path) -> None:
        assert load_config(str(write(path))) == load_config(path)

    @pytest.mark.parametrize(("text", "rate"), [("1e-3", 1e-3), ("1", 1.0), ("2.5E-4", 2.5e-4), ("1.", 1.0)])
    def test_numbers_as_people_write_them(self, path: Path, text: str, rate: float) -> None:
        path.write_text(f"data: {{train: a}}\ntraining: {{learning_rate: {text}}}\n", encoding="utf-8")
        assert load_config(path).training.learning_rate == rate

    @pytest.mark.parametrize("text", ["# ", "#", "null", "~", "1", "1e3", "true", "[x]", "{a: b}", "&a", "\ud800"])
    def test_quoted_text_stays_what_it_is(self, path: Path, text: str) -> None:
        quoted = json.dumps(text)
        path.write_text(f"data: {{train: a, header: true, comments: {quoted}, tags: {quoted}}}", encoding="utf-8")
        config = load_config(path)
        assert (config.data.comments, config.data.tags) == (text, text)

    def test_byte_order_mark(self, path: Path) -> None:
        path.write_bytes(b"\xef\xbb\xbfdata: {train: a.conll}\n")
        assert load_config(path).data.train == str(path.parent / "a.conll")

    @pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "---\n"])
    def test_an_empty_file_lacks_data(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        assert error_of(path) == f"{path}: data.train: needs a file to train on"

    def test_missing(self, path: Path) -> None:
        with pytest.raises(MissingInputError, match=r"a\.yaml: no such file$"):
            load_config(path)


class TestPaths:
    def test_in_a_file_they_are_relative_to_its_folder(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(path, ("data.dev", "../dev.conll"), ("data.test", "/t.conll"), ("features.words.vectors", "v/v.txt"))
        monkeypatch.chdir(path.parents[1])
        config = load_config(path.relative_to(path.parents[1]))
        assert config == load_config(path)
        assert (config.data.train, config.data.dev) == (
            str(path.parent / "a.conll"),
            str(path.parents[1] / "dev.conll"),
        )
        assert config.data.test == "/t.conll"
        assert config.features.words.vectors == str(path.parent / "v" / "v.txt")

    def test_names_of_published_vectors_are_none(self, path: Path) -> None:
        for name in ("glove.6B.100d", "glove.twitter.27B.25d", "fasttext.zh_yue.300d"):
            assert load_config(write(path, ("features.words.vectors", name))).features.words.vectors == name
            assert load_config(write(path), [f"--features.words.vectors={name}"]).features.words.vectors == name
            config = load_config(write(path, ("features.words.vectors", f"./{name}")))
            assert config.features.words.vectors == str(path.parent / name)
        for file in ("glove.6B.100d.txt", "wiki.en.vec", "x/glove.6B.100d"):
            config = load_config(write(path, ("features.words.vectors", file)))
            assert config.features.words.vectors == str(path.parent / file)

    def test_on_the_command_line_to_the_working_folder(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path.parents[1])
        overrides = ["--data.train", "b.conll", "--data.dev=[x].conll", "--features.words.vectors", "/v.txt"]
        config = load_config(write(path), overrides)
        here = path.parents[1]
        assert (config.data.train, config.data.dev) == (str(here / "b.conll"), str(here / "[x].conll"))
        assert config.features.words.vectors == "/v.txt"

    def test_home(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/someone")
        config = load_config(write(path, ("data.dev", "~/dev.conll")), ["--data.test=~/test.conll"])
        assert (config.data.dev, config.data.test) == ("/home/someone/dev.conll", "/home/someone/test.conll")
        message = error_of(write(path, ("data.dev", "~no-such-user/x")))
        assert message.startswith(f"{path}: data.dev: '~no-such-user/x' is no path: ")
        assert error_of(write(path), "--data.dev=~no-such-user/x").startswith("command line: --data.dev: '~no-such")

    def test_a_pipe_of_the_shell_is_not_resolved(self, path: Path) -> None:
        """/dev/fd/N is a link to a name that does not exist."""
        assert load_config(write(path), ["--data.train", "/dev/fd/63"]).data.train == "/dev/fd/63"

    def test_labels_are_a_file_or_a_list(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path.parents[1])
        hub = [("data.train", None), ("data.format", "hub"), ("data.name", "a/b")]
        config = load_config(write(path, *hub, ("data.labels", "names.txt")))
        assert config.data.labels == str(path.parent / "names.txt")
        assert load_config(path, ["--data.labels", "n.txt"]).data.labels == str(path.parents[1] / "n.txt")
        assert load_config(path, ["--data.labels", '[O, "#"]']).data.labels == ["O", "#"]
        assert load_config(write(path, *hub, ("data.labels", ["O", "1"]))).data.labels == ["O", "1"]

    @pytest.mark.parametrize("key", ["data.dev", "data.test", "features.words.vectors"])
    def test_an_empty_path_is_not_the_folder(self, path: Path, key: str) -> None:
        assert error_of(write(path, (key, ""))) == f"{path}: {key}: is an empty path; null means none"
        expected = f"{path} with the command line: {key}: is an empty path; null means none"
        assert error_of(write(path), f"--{key}=") == expected

    def test_a_nul_is_no_path(self, path: Path) -> None:
        assert f"{path}: data.train: 'a\\x00b' is no path" in error_of(write(path, ("data.train", "a\0b")))


class TestOverrides:
    def test_both_spellings_and_the_last_wins(self, path: Path) -> None:
        overrides = ["--model.num_layers", "2", "--training.seed=3", "--training.seed", "4"]
        config = load_config(write(path, ("model.num_layers", 3)), overrides)
        assert (config.model.num_layers, config.training.seed) == (2, 4)

    @pytest.mark.parametrize(
        ("key", "word", "value"),
        [
            ("data.comments", "# ", "# "),
            ("data.comments", "#", "#"),
            ("data.comments", "null", None),
            ("data.tags", "2", 2),
            ("data.tags", "-2", -2),
            ("data.tags", "null", None),
            ("data.tags", "pos", "pos"),
            ("training.device", "cuda:1", "cuda:1"),
            ("features.affixes.suffixes", "[2, 3]", [2, 3]),
            ("features.affixes.suffixes", "[]", []),
            ("model.bias", "false", False),
            ("training.learning_rate", "1e-3", 1e-3),
            ("training.batch_size", "null", None),
            ("training.batch_size", "8", 8),
        ],
    )
    def test_values(self, path: Path, key: str, word: str, value: object) -> None:
        before = [("data.header", True), ("data.comments", "%"), ("data.tags", "ner"), ("training.batch_size", 4)]
        section: Any = load_config(write(path, *before), [f"--{key}={word}"])
        for part in key.split("."):
            section = getattr(section, part)
        assert section == value
        assert type(section) is type(value)

    def test_a_section_of_numbers(self, path: Path) -> None:
        config = load_config(write(path, ("model.label_costs", {"PER": 1, "O": 0.5})))
        assert config.model.label_costs == {"PER": 1.0, "O": 0.5}
        overrides = ["--model.label_costs={PER: 2}"]
        assert load_config(path, overrides).model.label_costs == {"PER": 2.0}
        assert load_config(path, ["--model.label_costs=null"]).model.label_costs is None

    def test_a_section_of_texts(self, path: Path) -> None:
        overrides = ["--data.format=hub", "--data.name", "1", "--data.train=null", "--data.splits={train: 't#'}"]
        data = load_config(write(path), overrides).data
        assert (data.name, data.train, data.splits) == ("1", None, {"train": "t#"})

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--model.num_layers"], "--model.num_layers: needs a value"),
            (["--model.numlayers", "2"], "--model.numlayers: no such key (did you mean model.num_layers?)"),
            (["--zzz", "2"], "--zzz: no such key (`tagger train --help` lists them)"),
            (["--model.num_layers=x"], "model.num_layers: expected a whole number, got 'x'"),
            (["--model.num_layers="], "model.num_layers: expected a whole number, got ''"),
            (["--training.learning_rate", "nan"], "training.learning_rate: expected a number, got 'nan'"),
            (["--model.head", "CRF"], "model.head: expected one of softmax, crf, got 'CRF'"),
            (["--features.affixes.prefixes=3"], "features.affixes.prefixes: expected a list of whole numbers, got '3'"),
        ],
    )
    def test_what_is_refused(self, path: Path, words: list[str], message: str) -> None:
        assert error_of(write(path), *words) == f"command line: {message}"

    def test_a_section_is_no_setting(self, path: Path) -> None:
        message = error_of(write(path), "--features.affixes", "{dim: 0}")
        assert message.startswith("command line: --features.affixes: no such key; it is a section of features.affixes.")

    def test_what_only_the_whole_shows_names_both(self, path: Path) -> None:
        message = error_of(write(path), "--training.seed", "-1")
        assert message.startswith(f"{path} with the command line: training.seed: expected a number >= 0")


BOMB = list(pairwise("abcdefghijklmnop"))  # each holds the one before several times


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("data: {train: a\n", ":2: not YAML: expected ',' or '}', but got '<stream end>'"),
            ("data:\n\ttrain: a\n", r":2: not YAML: found character '\t' that cannot start any token"),
            ("data: {train: a}\n---\nmodel: {}\n", ":2: not YAML: but found another document"),
            ("data: !!python/object:os.system {}\n", ":1: not YAML: could not determine a constructor"),
            ("model: {num_layers: 0x_}\n", ": not YAML: invalid literal for int() with base 16: ''"),
            ("data: {train: *a}\n", ":1: not YAML: found undefined alias 'a'"),
            ("data: {train: a\x07}\n", ": not YAML: unacceptable character #x0007"),
            ("data: &a {train: *a}\n", ": nested too deeply"),
            ("data: " + "[" * 5000, ": nested too deeply"),
            ("data: [" + "a, " * 5000 + "]", ": holds more than 4000 values"),
            ("a: &a [x, x]\n" + "".join(f"{c}: &{c} [{f'*{b}, ' * 9}]\n" for b, c in BOMB), ": holds more than 4000"),
            ("a: &a {x: 1}\n" + "".join(f"{c}: &{c} {{<<: [*{b}, *{b}]}}\n" for b, c in BOMB), ": holds more than 4"),
            ("model: {hidden_dim: 0x" + "f" * 9999 + "}\n", ": not YAML: Exceeds the limit"),
            ("data: {labels: [" + "a, " * 501 + "]}\n", ": data.labels: expected at most 500 entries, got 501"),
            ("- a\n", ": expected sections data, features, model, training, got '-' ..."),
            ("hello world\n", ": expected sections data, features, model, training, got 'hello' ..."),
            ("data: {train: a}\n[1, 2]: 3\n", ":2: expected a word as key"),
            ("data: {train: a}\nmodle: {}\n", ": modle: no such key (did you mean model?)"),
            ("data: {train: a}\nmodel: {dropuot: 0.1}\n", ": model.dropuot: no such key (did you mean dropout?)"),
            ("zzz: 1\n", ": zzz: no such key (there are data, features, model, training, preset)"),
            ("data.train: a\n", ": data.train: no such key"),
            ("data: {train: a}\n1: 2\n", ": 1: no such key"),
            ("data:\n", ": data: is empty; give it keys, indented below it, or leave it out"),
            ("data: {train: a}\nfeatures: {words: }\n", ": features.words: is empty; give it keys"),
            ("data: [a]\n", ": data: expected a section of keys, got ['a']"),
            ("data: {train: a, train: b}\n", ":1: train: stands here twice"),
            ("data: {train: a}\nmodel: {}\ndata: {dev: b}\n", ":3: data: stands here twice"),
            ("data: {format: hub, splits:\n  {train: a,\n  train: b}}\n", ":3: train: stands here twice"),
        ],
    )
    def test_are_located(self, path: Path, text: str, message: str) -> None:
        path.write_text(text, encoding="utf-8")
        assert error_of(path).startswith(f"{path}{message}")

    def test_not_utf8(self, path: Path) -> None:
        path.write_bytes(b"data: {train: \xff}")
        assert error_of(path) == f"{path}: not UTF-8 (at byte 15); is this a YAML file?"

    def test_folder(self, path: Path) -> None:
        assert error_of(path.parent) == f"{path.parent}: is a folder, expected a YAML file"


TYPES = {
    "a whole number": ("x", 1.5, True, [8], {"a": 1}, None, 2.0),
    "a number": ("x", True, [0.5], None),
    "true or false": ("x", 1, None, []),
    "text": (3, True, None, ["a"], 1e5),
    "text or null": (3, False, ["a"], {"a": "b"}, 1.5),
    "a whole number or null": ("x", True, 1.5, []),
    "a whole number or text or null": (True, 1.5, []),
    "a list of whole numbers": (3, None, [1, "x"], [True], [1.5], [None], "x"),
    "a list of texts or text or null": (3, ["O", 1], {"a": "b"}),
    "a section of numbers or null": (["O"], "x", {"O": None}, {"O": "much"}, {"O": True}, {1: 1.0}),
    "a section of texts or null": (["train"], "x", {"train": None}, {"train": 3}, {1: "a"}),
}


class TestTypes:
    CHOICES: typing.ClassVar = {
        key: typing.get_args(hint) for key, hint in SETTINGS.items() if typing.get_origin(hint) is typing.Literal
    }

    def test_every_kind_of_setting_is_refused_what_it_is_not(self, path: Path) -> None:
        """One message a type; `describe` is how the message spells it."""
        seen = set()
        for key in SETTINGS:
            message = error_of(write(path, (key, {"no": {"such": "thing"}})))
            spelled = message.partition("expected ")[2].partition(", got ")[0]
            assert message.startswith(f"{path}: {key}: expected "), message
            for wrong in () if spelled in seen else TYPES.get(spelled, ()):
                assert error_of(write(path, (key, wrong))).startswith(f"{path}: {key}: expected {spelled}, got "), wrong
            seen.add(spelled)
        assert set(TYPES) == {spelled for spelled in seen if not spelled.startswith("one of ")}

    @pytest.mark.parametrize("key", CHOICES)
    @pytest.mark.parametrize("value", ["X", "", 3, None])
    def test_choices(self, path: Path, key: str, value: object) -> None:
        expected = f"{path}: {key}: expected one of {', '.join(self.CHOICES[key])}, got "
        assert error_of(write(path, (key, value))).startswith(expected)

    def test_null_is_said_as_yaml_says_it(self, path: Path) -> None:
        message = f"{path}: model.hidden_dim: expected a whole number, got null"
        assert error_of(write(path, ("model.hidden_dim", None))) == message

    @pytest.mark.parametrize("value", [3, True, 1e5])
    def test_text_that_yaml_reads_as_something_else(self, path: Path, value: object) -> None:
        """`config: no` is false, `revision: 1e5` a number."""
        message = error_of(write(path, ("data.format", "hub"), ("data.name", "a/b"), ("data.config", value)))
        assert message.startswith(f"{path}: data.config: expected text or null, got ")
        assert message.endswith("; in quotes it would be text")

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            (Config(model=ModelConfig(head="CRF")), "model.head: expected one of softmax, crf, got 'CRF'"),  # type: ignore[arg-type]
            (Config(model=ModelConfig(num_layers="2")), "model.num_layers: expected a whole number, got '2'"),  # type: ignore[arg-type]
            (Config(model={"head": "crf"}), "model: expected a ModelConfig, got {'head': 'crf'}"),  # type: ignore[arg-type]
            (
                Config(features=FeaturesConfig(words=None)),  # type: ignore[arg-type]
                "features.words: expected a WordsConfig, got null",
            ),
            (
                Config(model=ModelConfig(label_costs={f"L{number}": 1.0 for number in range(501)})),
                "model.label_costs: expected at most 500 entries, got 501",
            ),
        ],
    )
    def test_configs_made_in_python(self, config: Config, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            check_config(replace(config, data=DataConfig(train="a")), where="config")
        assert str(caught.value) == f"config: {message}"


AT_LEAST = {
    0: "features.words.dim features.words.singleton_dropout features.words.word_dropout features.affixes.dim "
    "model.dropout model.proj_size model.input_dropout model.output_dropout training.weight_decay training.momentum "
    "training.warmup training.clip_norm training.patience training.seed training.num_threads training.keep_checkpoints "
    "training.checkpoint_minutes training.checkpoint_steps training.language_model data.dev_share data.dev_seed",
    1: "features.words.min_count features.characters.dim features.characters.hidden_dim "
    "features.characters.kernel_size features.characters.max_length features.affixes.num_buckets "
    "features.affixes.prefixes features.affixes.suffixes model.hidden_dim model.num_layers training.num_epochs "
    "training.batch_size training.batch_tokens training.accumulate training.language_model_words",
}
BELOW_ONE = (
    "features.words.word_dropout model.dropout model.input_dropout model.output_dropout training.momentum "
    "training.warmup data.dev_share"
)
AT_MOST = {
    999: "features.characters.kernel_size",
    1000: "features.characters.max_length features.affixes.prefixes features.affixes.suffixes model.num_layers "
    "training.keep_checkpoints",
    4096: "training.num_threads",
    100_000: "features.words.dim features.characters.dim features.characters.hidden_dim features.affixes.dim "
    "model.hidden_dim",
    1_000_000: "training.language_model_words",
    2**24: "features.affixes.num_buckets",
    10**9: "features.words.min_count training.num_epochs training.batch_size training.batch_tokens "
    "training.accumulate training.patience training.checkpoint_steps",
    2**63 - 1: "training.seed data.dev_seed",
}
# what else a setting at its bound needs to be allowed
COMPANY: dict[str, list[tuple[str, object]]] = {
    "data.dev_seed": [("data.dev_share", 0.1)],
    "features.words.dim": [("features.words.singleton_dropout", 0.5)],
    "model.dropout": [("model.num_layers", 2)],
    "model.hidden_dim": [("model.proj_size", 0)],
    "training.language_model_words": [("training.language_model", 0.1)],
    "training.momentum": [("training.optimizer", "sgd")],
    "training.patience": [("data.dev", "dev.conll")],
}


def is_whole(key: str) -> bool:
    return "int" in str(SETTINGS[key])


def as_value(key: str, number: float) -> object:
    value = int(number) if is_whole(key) else float(number)
    return [value] if str(SETTINGS[key]).startswith("list") else value


class TestRanges:
    @pytest.mark.parametrize(("low", "key"), [(low, key) for low, keys in AT_LEAST.items() for key in keys.split()])
    def test_lowest(self, path: Path, low: int, key: str) -> None:
        company = COMPANY.get(key, [])
        load_config(write(path, *company, (key, as_value(key, low))))
        message = error_of(write(path, *company, (key, as_value(key, low - 1))))
        assert message.startswith(f"{path}: {key}: expected a number >= {low}")
        assert f", got {low - 1}" in message

    @pytest.mark.parametrize(("high", "key"), [(high, key) for high, keys in AT_MOST.items() for key in keys.split()])
    def test_highest(self, path: Path, high: int, key: str) -> None:
        """A slip of the finger is an error here, and not memory that runs out later."""
        company = COMPANY.get(key, [])
        load_config(write(path, *company, (key, as_value(key, high))))
        for wrong in (high + 1, 10**400):
            message = error_of(write(path, *company, (key, as_value(key, wrong))))
            assert message.startswith(f"{path}: {key}: expected a ")
            assert f" and <= {high}, got {wrong}" in message

    def test_every_whole_number_has_a_highest(self) -> None:
        numbers = {key for key in SETTINGS if is_whole(key)} - {"data.tokens", "data.tags"}
        assert numbers - {key for keys in AT_MOST.values() for key in keys.split()} == {"model.proj_size"}
        message = f"model.proj_size: must be smaller than hidden_dim ({ModelConfig().hidden_dim})"
        with pytest.raises(ConfigError, match=re.escape(message)):
            check_config(Config(data=DataConfig(train="/a"), model=ModelConfig(proj_size=10**300)), where="here")

    @pytest.mark.parametrize("key", BELOW_ONE.split())
    def test_below_one(self, path: Path, key: str) -> None:
        company = COMPANY.get(key, [])
        load_config(write(path, *company, (key, 0.999)))
        expected = f"{path}: {key}: expected a number >= 0 and < 1, got 1.0"
        assert error_of(write(path, *company, (key, 1.0))) == expected

    def test_other_bounds(self, path: Path) -> None:
        load_config(write(path, ("features.words.singleton_dropout", 1.0)))
        message = error_of(write(path, ("features.words.singleton_dropout", 1.1)))
        assert message == f"{path}: features.words.singleton_dropout: expected a number >= 0 and <= 1, got 1.1"
        load_config(write(path, ("training.learning_rate", 1e-30)))
        message = error_of(write(path, ("training.learning_rate", 0)))
        assert message == f"{path}: training.learning_rate: expected a number > 0, got 0.0"

    @pytest.mark.parametrize("key", [key for key, hint in SETTINGS.items() if hint is float])
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_not_finite(self, path: Path, key: str, value: float) -> None:
        assert error_of(write(path, (key, value))).startswith(f"{path}: {key}: expected a finite number ")

    def test_every_number_has_a_range(self) -> None:
        numbers = {key for key, hint in SETTINGS.items() if "int" in str(hint) or "float" in str(hint)}
        tried = {key for keys in AT_LEAST.values() for key in keys.split()} | {"training.learning_rate"}
        assert numbers - tried == {"data.tokens", "data.tags", "model.label_costs"}  # costs: see TestConflicts


DEV, UNKNOWN, CRF = ("data.dev", "dev.conll"), ("data.unknown_tag", "_"), ("model.head", "crf")
CONLLU, JSONL = ("data.format", "conllu"), ("data.format", "jsonl")
HUB = [("data.format", "hub"), ("data.train", None), ("data.name", "a/b")]


class TestConflicts:
    @pytest.mark.parametrize(
        ("settings", "key", "message"),
        [
            ([("data.train", None)], "data.train", "needs a file to train on"),
            ([("data.tokens", "word")], "data.tokens", "a column's name needs header: true"),
            ([("data.tags", "pos")], "data.tags", "a column's name needs header: true"),
            ([("data.tokens", 0)], "data.tokens", "columns count from 1"),
            ([("data.tags", 0)], "data.tags", "columns count from 1"),
            (
                [("data.format", "jsonl"), ("data.tokens", 1)],
                "data.tokens",
                "a column number does not fit format jsonl",
            ),
            ([("data.format", "conllu"), ("data.tags", 4)], "data.tags", "a column number does not fit format conllu"),
            ([("data.format", "jsonl"), ("data.tags", "")], "data.tags", "is empty; leave it out for the default"),
            ([("data.comments", "")], "data.comments", "an empty prefix would skip every line"),
            ([*HUB, ("data.name", None)], "data.name", "format hub needs the dataset's name, such as owner/name"),
            ([*HUB, ("data.splits", {"dev": "d"})], "data.splits", "needs train, such as"),
            ([*HUB, ("data.splits", {"train": "t", "dve": "d"})], "data.splits", "'dve' is none of train, dev, test"),
            (
                [("features.words.dim", 0), ("features.affixes.dim", 0), ("features.characters.kind", "none")],
                "features",
                "words, characters and affixes are all left out: there is nothing to learn from",
            ),
            (
                [(f"features.affixes.{key}", []) for key in ("prefixes", "suffixes")]
                + [("features.affixes.shape", False)],
                "features.affixes",
                "no prefixes, no suffixes and no shape: set dim: 0",
            ),
            ([("features.characters.kernel_size", 4)], "features.characters.kernel_size", "must be odd"),
            ([("model.proj_size", 256)], "model.proj_size", "must be smaller than hidden_dim (256)"),
            ([("model.dropout", 0.1)], "model.dropout", "works between stacked layers; with num_layers: 1 use output"),
            ([("model.layers", "mix")], "model.layers", "mix needs num_layers > 1"),
            ([DEV, ("data.unknown_tag", "")], "data.unknown_tag", "is empty; null means that every tag is known"),
            ([UNKNOWN], "data.unknown_tag", "needs data.dev or data.test"),
            ([*HUB, UNKNOWN, ("data.splits", {"train": "t"})], "data.unknown_tag", "needs data.dev or data.test"),
            (
                [DEV, UNKNOWN, CRF, ("model.crf_implementation", "torchcrf")],
                "model.crf_implementation",
                "torchcrf cannot learn from data.unknown_tag; native can",
            ),
            (
                [DEV, UNKNOWN, ("model.label_costs", {"PER": 1.0})],
                "model.label_costs",
                "cannot be combined with data.unknown_tag",
            ),
            (
                [("model.label_costs", {"O": 0.0, "PER": -0.5})],
                "model.label_costs",
                "PER: expected a number of nats >=",
            ),
            ([("model.label_costs", {"O": float("nan")})], "model.label_costs", "O: expected a number of nats >= 0"),
            ([("model.label_costs", {"O": float("inf")})], "model.label_costs", "O: expected a number of nats >= 0"),
            (
                [("training.batch_size", 1), ("training.batch_tokens", 1)],
                "training.batch_tokens",
                "give batch_size or batch_tokens, not both",
            ),
            (
                [("training.language_model", 0.1), ("model.bidirectional", False)],
                "training.language_model",
                "needs model.bidirectional: true",
            ),
            (
                [("training.language_model", 0.1), ("model.num_layers", 2)],
                "training.language_model",
                "needs model.num_layers: 1",
            ),
            ([("training.language_model", float("inf"))], "training.language_model", "expected a finite number"),
        ],
    )
    def test_are_refused(self, path: Path, settings: list[tuple[str, object]], key: str, message: str) -> None:
        assert error_of(write(path, *settings)).startswith(f"{path}: {key}: {message}")

    @pytest.mark.parametrize(
        "given",
        [
            [DEV, UNKNOWN, CRF],
            [("data.test", "test.conll"), UNKNOWN],
            [*HUB, UNKNOWN],
            [*HUB, UNKNOWN, ("data.splits", {"test": "t", "train": "t"})],
            [DEV, CRF, ("model.crf_implementation", "torchcrf"), ("model.label_costs", {"O": 0.0, "PER": 1.5})],
            [CRF, ("data.scheme", "BIO"), ("model.constrain_training", True)],
        ],
    )
    def test_what_goes_together(self, path: Path, given: list[tuple[str, object]]) -> None:
        config = asdict(load_config(write(path, *given)))
        for key, value in given:
            assert str(value_of(config, key)).endswith(str(value))  # paths are absolute now

    def test_empty_splits_are_not_the_default_ones(self, path: Path) -> None:
        path.write_text("data: {format: hub, name: a/b, splits: {}}", encoding="utf-8")
        assert error_of(path).startswith(f"{path}: data.splits: needs train")


NO_CHARACTERS, NO_AFFIXES = ("features.characters.kind", "none"), ("features.affixes.dim", 0)
WITHOUT_EFFECT: list[tuple[list[tuple[str, object]], list[tuple[str, object]], str]] = [
    ([CONLLU], [("data.delimiter", "tab"), ("data.header", True), ("data.comments", "#")], "on format conllu"),
    ([JSONL], [("data.delimiter", "tab"), ("data.header", True), ("data.comments", "#")], "on format jsonl"),
    (HUB, [("data.delimiter", "tab"), ("data.header", True), ("data.comments", "#")], "on format hub"),
    (HUB, [("data.train", "a"), ("data.dev", "a"), ("data.test", "a")], "on format hub (see data.splits)"),
    (
        [],
        [
            ("data.name", "a"),
            ("data.config", "a"),
            ("data.revision", "a"),
            ("data.labels", ["a"]),
            ("data.splits", {"train": "a"}),
            ("data.streaming", True),
        ],
        "on format conll",
    ),
    ([CONLLU], [("data.tokens", "a")], "on format conllu"),
    ([], [("model.encoding", "BIO")], "on scheme plain"),
    ([CRF], [("model.constrain_training", True)], "on scheme plain"),
    (
        [("data.scheme", "BIO")],
        [("model.constrain_training", True), ("model.crf_implementation", "torchcrf")],
        "with head: softmax",
    ),
    (
        [("features.words.dim", 0)],
        [
            ("features.words.min_count", 2),
            ("features.words.lowercase", False),
            ("features.words.vectors", "a"),
            ("features.words.keep_vectors", "all"),
            ("features.words.singleton_dropout", 0.1),
            ("features.words.word_dropout", 0.1),
        ],
        "with dim: 0",
    ),
    ([], [("features.words.freeze", True), ("features.words.keep_vectors", "all")], "without vectors"),
    (
        [("features.words.min_count", 2)],
        [("features.words.singleton_dropout", 0.0), ("features.words.singleton_dropout", 0.9)],
        "with min_count: 2 and no vectors",
    ),
    (
        [NO_CHARACTERS],
        [(f"features.characters.{key}", 9) for key in ("dim", "hidden_dim", "kernel_size", "max_length")]
        + [("features.characters.bidirectional", False)],
        "with kind: none",
    ),
    ([("features.characters.kind", "lstm")], [("features.characters.kernel_size", 5)], "with kind: lstm"),
    ([], [("features.characters.bidirectional", False)], "with kind: cnn"),
    (
        [NO_AFFIXES],
        [
            ("features.affixes.num_buckets", 9),
            ("features.affixes.prefixes", [1]),
            ("features.affixes.suffixes", [1]),
            ("features.affixes.shape", False),
        ],
        "with dim: 0",
    ),
    ([], [("training.momentum", 0.9)], "with optimizer: adamw"),
    ([], [("training.language_model_words", 9)], "with language_model: 0"),
    ([], [("training.patience", 3)], "without a dev split (data.dev_share takes one from train)"),
    (
        [*HUB, ("data.splits", {"train": "a"})],
        [("training.patience", 3)],
        "without a dev split (data.dev_share takes one from train)",
    ),
    ([], [("data.dev_seed", 3)], "without data.dev_share"),
]


class TestWithoutEffect:
    @pytest.mark.parametrize(
        ("company", "setting", "reason"),
        [(company, setting, reason) for company, settings, reason in WITHOUT_EFFECT for setting in settings],
    )
    def test_is_refused(
        self, path: Path, company: list[tuple[str, object]], setting: tuple[str, object], reason: str
    ) -> None:
        load_config(write(path, *company))
        expected = f"{path}: {setting[0]}: has no effect {reason}; leave it out"
        assert error_of(write(path, *company, setting)) == expected

    def test_the_default_may_be_spelled_out(self, path: Path) -> None:
        config = load_config(write(path, NO_AFFIXES, ("features.affixes.shape", True), ("training.momentum", 0.0)))
        assert config.features.affixes == AffixesConfig(dim=0)

    def test_singletons_that_vectors_know(self, path: Path) -> None:
        settings = [("features.words.min_count", 2), ("features.words.singleton_dropout", 0.1)]
        words = load_config(write(path, *settings, ("features.words.vectors", "v.txt"))).features.words
        assert (words.min_count, words.singleton_dropout) == (2, 0.1)

    def test_patience_with_a_dev_split(self, path: Path) -> None:
        assert load_config(write(path, ("data.dev", "d"), ("training.patience", 3))).training.patience == 3
        default_splits = load_config(write(path, *HUB, ("training.patience", 3)))
        assert default_splits.training.patience == 3
        own_splits = [*HUB, ("data.splits", {"train": "a", "dev": "b"}), ("training.patience", 3)]
        assert load_config(write(path, *own_splits)).training.patience == 3


AWKWARD = (
    "#",
    "# ",
    "null",
    "~",
    "1",
    "-1",
    "1e3",
    "1.5E4",
    "12345e67",
    "true",
    "no",
    "2024-01-01",
    "0x_",
    "&a",
    "1:3",
)
texts = st.text(max_size=6) | st.sampled_from([*AWKWARD, "\x85", "\u2028", "\ufeff", "\ud800"])
names = texts.filter(bool)
# as they come from the system: of its surrogates, those that stand for bytes that are not UTF-8
paths = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0."), max_size=6) | st.just("caf\udce9")
).map(lambda name: f"/data/{name}x")


@st.composite
def data_sections(draw: st.DrawFn) -> DataConfig:
    scheme = draw(st.sampled_from(["plain", "BIO", "BILOU"]))
    kind = draw(st.sampled_from(["conll", "conllu", "jsonl", "hub"]))
    if kind == "hub":
        others = draw(st.dictionaries(st.sampled_from(["dev", "test"]), names))
        return DataConfig(
            format="hub",
            scheme=scheme,
            name=draw(names),
            config=draw(st.none() | texts),
            revision=draw(st.none() | texts),
            splits=draw(st.none() | st.just({"train": draw(names), **others})),
            labels=draw(st.none() | paths | st.lists(texts, max_size=3)),
            streaming=draw(st.booleans()),
            tags=draw(st.none() | names),
        )
    data = DataConfig(format=kind, scheme=scheme, train=draw(paths), dev=draw(st.none() | paths))
    if kind == "conll":
        header = draw(st.booleans())
        columns = st.none() | st.integers(1, 99) | st.integers(-99, -1) | (names if header else st.nothing())
        comments, delimiter = draw(st.none() | names), draw(st.sampled_from(["auto", "tab", "space"]))
        data = replace(data, header=header, tokens=draw(columns), tags=draw(columns), comments=comments)
        return replace(data, delimiter=delimiter)
    return replace(data, tags=draw(st.none() | names))


probabilities = st.floats(0, 1, exclude_max=True)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    sizes, lengths = st.integers(1, 100_000), st.integers(1, 1000)
    words = WordsConfig(dim=draw(sizes), vectors=draw(st.none() | paths), word_dropout=draw(probabilities))
    return Config(
        data=draw(data_sections()),
        features=FeaturesConfig(
            words=words,
            characters=CharactersConfig(kind="lstm", bidirectional=draw(st.booleans()), dim=draw(sizes)),
            affixes=AffixesConfig(prefixes=draw(st.lists(lengths, max_size=3)), dim=draw(sizes)),
        ),
        model=ModelConfig(
            num_layers=draw(st.integers(2, 9)),
            dropout=draw(probabilities),
            label_costs=draw(st.none() | st.dictionaries(texts, probabilities, max_size=3)),
        ),
        training=TrainingConfig(
            batch_tokens=draw(st.none() | sizes),
            learning_rate=draw(st.floats(min_value=0, exclude_min=True, allow_infinity=False)),
            seed=draw(st.integers(0, 2**63 - 1)),
            device=draw(texts),
        ),
    )


class TestDump:
    @settings(deadline=None, max_examples=60)
    @given(config=configs())
    def test_round_trip(self, config: Config, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.getbasetemp() / "dumped.yaml"
        path.write_text(dump_config(config), encoding="utf-8")
        assert load_config(path) == config
        assert restore_config(dump_config(config), path=path) == config

    @settings(deadline=None, max_examples=40)
    @given(config=configs(), kept=st.sets(st.sampled_from(sorted(SETTINGS))))
    def test_restoring_is_loading_where_keys_are_missing_too(
        self, config: Config, kept: set[str], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "partial.yaml"
        values = FILE
        for key in kept:
            values = merged(values, nested(key, value_of(asdict(config), key)))
        text = yaml.safe_dump(values, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        try:
            expected = load_config(path)
        except ConfigError as error:
            with pytest.raises(ConfigError, match=re.escape(str(error))):
                restore_config(text, path=path)
        else:
            assert restore_config(text, path=path) == expected

    @pytest.mark.parametrize(("key", "value"), [("model.num_layers", "2"), ("model.bias", "true"), ("model.head", 1)])
    def test_restoring_takes_no_other_types(self, key: str, value: object, path: Path) -> None:
        text = yaml.safe_dump(merged(FILE, nested(key, value)))
        with pytest.raises(ConfigError, match=f"{key}: expected .*, got {value!r}"):
            restore_config(text, path=path)

    def test_every_key_in_order(self) -> None:
        config = Config(data=DataConfig(train="/données.conll"))
        text = dump_config(config)
        assert yaml.safe_load(text) == asdict(config)
        assert list(yaml.safe_load(text)["training"]) == [field.name for field in fields(TrainingConfig)]
        assert "/données.conll" in text

    def test_what_was_loaded_loads_from_anywhere(self, path: Path, tmp_path: Path) -> None:
        config = load_config(write(path, ("data.dev", "../dev.conll"), ("data.comments", "# ")))
        elsewhere = tmp_path / "config.yaml"
        elsewhere.write_text(dump_config(config), encoding="utf-8")
        assert load_config(elsewhere) == config
