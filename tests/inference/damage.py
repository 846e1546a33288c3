"""Ways to damage a model folder, or to put something foreign in its place, drawn from a seed.

Each takes a folder that holds the sound model of `ner_run`, a random generator, and a path that must not come into
being: whatever is executed makes it.
"""

import gzip
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from tagger.errors import MissingInputError, ModelError
from tagger.inference.model_folder import load_model
from tests.inference.forge import (
    CHECKED,
    CONFIG,
    LISTED,
    MANIFEST,
    VOCABULARY,
    WEIGHTS,
    change_manifest,
    rewrite,
    rewrite_config,
    rewrite_header,
    rewrite_vocabulary,
    rewrite_weights,
)

Damage = Callable[[Path, Random, Path], object]


class Trap:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.canary),)


# What happens to files: the manifest does not know.


def cut(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def zero(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content) - 64)
    content[start : start + 64] = bytes(64)
    path.write_bytes(content + (b"" if any(content) else b"x"))


def grow(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randrange(1, 1000)))


def lose(model: Path, rng: Random, _: Path) -> None:
    (model / rng.choice(CHECKED)).unlink()


def empty(model: Path, rng: Random, _: Path) -> None:
    (model / rng.choice(CHECKED)).write_bytes(b"")


def mix_up(model: Path, rng: Random, _: Path) -> None:
    one, other = rng.sample(CHECKED, 2)
    shutil.copyfile(model / one, model / other)


def noise(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    path.write_bytes(rng.randbytes(path.stat().st_size))


def folder_for_a_file(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    path.unlink()
    path.mkdir()


def pipe_for_a_file(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    path.unlink()
    os.mkfifo(path)


def link_for_a_file(model: Path, rng: Random, _: Path) -> None:
    path = model / rng.choice(CHECKED)
    path.unlink()
    path.symlink_to(rng.choice(["/dev/zero", "/dev/null", "/absent", "..", path.name, model.parent / "manifest.json"]))


# Weights: the manifest agrees.


def wrong_shape(model: Path, rng: Random, _: Path) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        name = rng.choice(sorted(weights))
        shape = list(weights[name].shape)
        shape[rng.randrange(len(shape))] += rng.choice([-1, 1, 5])
        weights[name] = torch.zeros(rng.choice([shape, [*shape, 1], [weights[name].numel(), 1, 1], [0]]))

    rewrite_weights(model, change)


def wrong_type(model: Path, rng: Random, _: Path) -> None:
    kind = rng.choice([torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.uint8, torch.float8_e4m3fn])

    def change(weights: dict[str, torch.Tensor]) -> None:
        name = rng.choice(sorted(weights))
        weights[name] = weights[name].to(kind)

    rewrite_weights(model, change)


def not_finite(model: Path, rng: Random, _: Path) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        flat = weights[rng.choice(sorted(weights))].view(-1)
        flat[rng.randrange(len(flat))] = rng.choice([float("nan"), float("inf"), float("-inf")])

    rewrite_weights(model, change)


def other_names(model: Path, rng: Random, _: Path) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        name = rng.choice(sorted(weights))
        what = rng.choice(["lost", "renamed", "more"])
        if what != "more":
            del weights[name]
        if what != "lost":
            weights[rng.choice([f"{name}.x", "../x", "/etc/passwd", "\n\x1b[31m", "x" * 9000, ""])] = torch.zeros(1)

    rewrite_weights(model, change)


def header_length(model: Path, rng: Random, _: Path) -> None:
    content = (model / WEIGHTS).read_bytes()
    size = rng.choice([0, 1, 7, len(content), 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, rng.randrange(len(content))])
    rewrite(model, WEIGHTS, size.to_bytes(8, "little") + content[8:])


def offsets(model: Path, rng: Random, _: Path) -> None:
    def change(header: dict[str, Any]) -> None:
        one, other = rng.sample(sorted(set(header) - {"__metadata__"}), 2)
        begin, end = header[one]["data_offsets"]
        header[one]["data_offsets"] = rng.choice(
            [
                [end, begin],
                [begin + 4, end + 4],
                [-4, end],
                [begin, 2**62],
                [2**64, 2**65],
                [begin],
                None,
                "0",
                [begin, end - 4],
                [begin / 2, end + 0.5],
            ]
        )
        if rng.random() < 0.2:  # two weights that share their numbers
            header[one] = header[other]

    rewrite_header(model, change)


def odd_header(model: Path, rng: Random, _: Path) -> None:
    def change(header: dict[str, Any]) -> None:
        name = rng.choice(sorted(set(header) - {"__metadata__"}))
        entry = header[name]
        key, value = rng.choice(
            [
                ("dtype", "F7"),
                ("dtype", "O"),
                ("dtype", None),
                ("shape", [2**63, 2**63]),
                ("shape", [-1, -1]),
                ("shape", "x"),
                ("shape", [0, 2**62]),
                ("shape", 2),
                ("shape", []),
            ]
        )
        if rng.random() < 0.3:
            header["__metadata__"] = rng.choice([[], {"a": 1}, 7, {"a": {"b": "c"}}])
        entry[key] = value

    rewrite_header(model, change)


def header_is_no_json(model: Path, rng: Random, _: Path) -> None:
    spelled = rng.choice(
        [
            b"[" * 50_000,
            b'{"a":' * 50_000,
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b'{"a": NaN}',
            b"{}",
            b'{"a":1,"a":1}',
            b" " * 99,
        ]
    )
    rewrite(model, WEIGHTS, len(spelled).to_bytes(8, "little") + spelled + bytes(64))


def pickle_for_weights(model: Path, rng: Random, canary: Path) -> None:
    trap = Trap(canary)
    stream = io.BytesIO()
    what = rng.randrange(5)
    if what == 0:
        torch.save({"weights": trap}, stream)
    elif what == 1:
        torch.save({"weights": trap}, stream, _use_new_zipfile_serialization=False)
    elif what == 2:
        stream.write(gzip.compress(pickle.dumps(trap)))
    elif what == 3:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(trap))
    else:
        stream.write(pickle.dumps({"weights": trap}, protocol=rng.randrange(6)))
    name = rng.choice([WEIGHTS, WEIGHTS, WEIGHTS, VOCABULARY, CONFIG])
    rewrite(model, name, stream.getvalue())


def pickle_for_the_manifest(model: Path, rng: Random, canary: Path) -> None:
    (model / MANIFEST).write_bytes(pickle.dumps(Trap(canary), protocol=rng.randrange(6)))


# The manifest itself, signed.


def other_format(model: Path, rng: Random, _: Path) -> None:
    version = rng.choice([0, 1, 3, 4, 99, -1, 10**50, 10**4000, "2", 2.0, True, None, [2], {"2": 2}, 2.5])
    change_manifest(model, lambda manifest: manifest.update(format=version))


def other_kind(model: Path, rng: Random, _: Path) -> None:
    kind = rng.choice(["checkpoint", "", None, 1, ["model"], "\x1b[31mmodel\n"])
    change_manifest(model, lambda manifest: manifest.update(kind=kind))


def paths_in_the_manifest(model: Path, rng: Random, _: Path) -> None:
    """Files outside the folder, which are there."""
    odd = rng.choice(
        [
            "../model/config.yaml",
            str(model / CONFIG),
            "./config.yaml",
            "x/../config.yaml",
            "/etc/passwd",
            "config.yaml\0",
        ]
    )

    def change(manifest: dict[str, Any]) -> None:
        entry = manifest["files"][CONFIG]
        if rng.random() < 0.5:
            del manifest["files"][CONFIG]
        manifest["files"][odd] = entry

    change_manifest(model, change)


def files_in_the_manifest(model: Path, rng: Random, _: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        name = rng.choice(LISTED)
        what = rng.randrange(5)
        if what == 0:
            del manifest["files"][name]
        elif what == 1:
            manifest["files"] = rng.choice([[], None, "all", {}, list(manifest["files"])])
        elif what == 2:
            manifest["files"][name] = rng.choice([None, [], "x", {}, {"size": 1}, {"sha256": "x"}])
        elif what == 3:
            sizes = [0, -1, 2**63, 10**4000, True, "9", None, 1.5, manifest["files"][name]["size"] + 1]
            manifest["files"][name]["size"] = rng.choice(sizes)
        else:
            manifest["files"][name]["sha256"] = rng.choice(["", None, 7, "0" * 64, ["a"], {}, True])

    change_manifest(model, change)


def other_labels(model: Path, rng: Random, _: Path) -> None:
    labels = rng.choice([None, [], ["LOC"], "LOC", {"LOC": 1}, [1, 2, 3, 4]])
    change_manifest(model, lambda manifest: manifest.update(labels=labels))


def unsigned_manifest(model: Path, rng: Random, _: Path) -> None:
    manifest = json.loads((model / MANIFEST).read_text())
    what = rng.randrange(6)
    if what == 0:
        manifest["epoch"] = 77
    elif what == 1:
        del manifest["sha256"]
    elif what == 2:
        manifest["sha256"] = rng.choice([None, 1, [], "0" * 64])
    spelled = json.dumps(manifest, indent=rng.choice([None, 1, 2]))
    if what == 3:
        spelled = spelled.replace('"format"', '"format": 2, "format"', 1)
    elif what == 4:
        spelled = spelled.replace('"epoch": ', '"epoch": NaN, "was": ', 1)
    elif what == 5:
        spelled = "\ufeff" + spelled
    (model / MANIFEST).write_text(spelled + "\n\n", encoding=rng.choice(["utf-8", "utf-16"]))


def foreign_manifest(model: Path, rng: Random, _: Path) -> None:
    content = rng.choice(
        [
            b"[]",
            b"3",
            b"null",
            b"{}",
            b'"format"',
            b"[" * 200_000,
            b'{"a":' * 200_000,
            b" " * 5_000_000,
            b'{"name": "a web app", "start_url": "/"}',
            b'{"format": 1, "sha256": {"model.safetensors": "x"}}',
            b'{"format": ' + b"9" * 5000 + b"}",
            b'{"format": 2, "format": 2}',
            b"format: 2\n",
            b"\x80\x04\x95",
            b"\xff",
        ]
    )
    (model / MANIFEST).write_bytes(content)


# The vocabulary: the manifest agrees.


def wrong_vocabulary(model: Path, rng: Random, _: Path) -> None:
    old = json.loads((model / VOCABULARY).read_text())
    key = rng.choice(sorted(old))
    value = rng.choice([None, [], {}, "x", -1, 2.5, [None], [["a"]], {"a": "b"}, [1, "a"], 10**30, [True], old[key]])
    if value in (old[key], [] if key in ("words", "characters") else None):
        value = rng.choice(["?", 10**18])
    rewrite_vocabulary(model, {key: value})


def other_words(model: Path, rng: Random, _: Path) -> None:
    old = json.loads((model / VOCABULARY).read_text())
    key = rng.choice(["words", "characters", "tags"])
    value = list(old[key])
    what = rng.randrange(4)
    if what == 0:
        value.append(value[0])
    elif what == 1:
        value.pop()
    elif what == 2:
        value.append("\ud800 new")
    else:
        value[1] = value[0]
    rewrite_vocabulary(model, {key: value})


def hostile_vocabulary(model: Path, rng: Random, _: Path) -> None:
    spelled = (model / VOCABULARY).read_text()
    content = rng.choice(
        [
            b"",
            b"[]",
            b"null",
            b"\xff",
            b"{}",
            b"[" * 500_000,
            b'{"words":' * 200_000,
            b'{"words": [' + b"[]," * 200_000 + b"[]]}",
            b'{"words": ' + b"9" * 5000 + b"}",
            spelled.replace('"lowercase"', '"lowercase": true, "lowercase"', 1).encode(),
            spelled.replace('"lowercase"', '"colour": true, "lowercase"', 1).encode(),
            spelled.replace('"lowercase"', '"__class__": "os.system", "lowercase"', 1).encode(),
            spelled.encode("utf-16"),
            spelled.replace("[", "[NaN, ", 1).encode(),
            spelled.replace("[", "[1e999, ", 1).encode(),
            spelled.replace("[", '["\\x1b\\n", ', 1).encode(),
        ]
    )
    rewrite(model, VOCABULARY, content)


# The config: the manifest agrees.


def other_config(model: Path, rng: Random, _: Path) -> None:
    old, new = rng.choice(
        [
            ("hidden_dim: 24", "hidden_dim: 25"),
            ("hidden_dim: 24", "hidden_dim: 100000"),
            ("hidden_dim: 24", "hidden_dim: -1"),
            ("hidden_dim: 24", "hidden_dimension: 24"),
            ("hidden_dim: 24", "hidden_dim: 0x" + "f" * 9000),
            ("num_layers: 1", "num_layers: 2"),
            ("num_layers: 1", "num_layers: 1000"),
            ("num_layers: 1", "num_layers: 1e3"),
            ("num_buckets: 500", "num_buckets: 501"),
            ("num_buckets: 500", "num_buckets: 16777216"),
            ("kind: cnn", "kind: lstm"),
            ("kind: cnn", "kind: none"),
            ("head: crf", "head: softmax"),
            ("encoding: BIOES", "encoding: BILOU"),
            ("encoding: BIOES", "encoding: IO"),
            ("scheme: BIO", "scheme: plain"),
            ("scheme: BIO", "scheme: BIOES\n  scheme: BIO"),
            ("format: conllu", "format: hub"),
            ("bidirectional: true", "bidirectional: false"),
            ("lowercase: true", "lowercase: false"),
            ("dropout: 0.0", "dropout: .nan"),
            ("seed: 1", "seed: [1, 2]"),
            ("seed: 1", "seed: 1\n  '\x07\x1b[31m': 1"),
        ]
    )
    rewrite_config(model, old, new)


def hostile_config(model: Path, rng: Random, canary: Path) -> None:
    names = "abcdefghij"
    content = rng.choice(
        [
            f"data: !!python/object/apply:os.mkdir ['{canary}']\n",
            f"data: !!python/object/new:os.mkdir ['{canary}']\n",
            f"!!python/object/apply:os.mkdir ['{canary}']: 1\n",
            f"data: !!python/name:os.mkdir\nmodel: {{x: '{canary}'}}\n",
            "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(names)),
            "a: &a {x: 1}\n" + "".join(f"{b}: &{b} {{<<: [*{a}, *{a}]}}\n" for a, b in pairwise(names)),
            "data: &a {train: *a}\n",
            "data: {labels: [" + "a," * 5_000 + "]}\n",
            "data: " + "[" * 20_000,
            "- " * 20_000,
            "x" * 100_000,
            "\0",
            "",
            "- a\n- b\n",
            "model: {hidden_dim: x}\n",
            "'\ud800': 1",
            "--- {}\n--- {}\n",
            "model: {hidden_dim: 1" + ":59" * 5000 + "}\n",
        ]
    )
    rewrite(model, CONFIG, content.encode("utf-8", "surrogatepass"))


# Something else altogether.


def something_else(model: Path, rng: Random, canary: Path) -> None:
    shutil.rmtree(model)
    what = rng.randrange(7)
    if what == 0:
        return
    if what == 1:
        model.write_bytes(pickle.dumps(Trap(canary)))
        return
    if what == 2:
        model.symlink_to(model)
        return
    if what == 3:
        os.mkfifo(model)
        return
    model.mkdir()
    if what == 4:
        torch.save({"weights": Trap(canary)}, model / "pytorch_model.bin")
        (model / "config.json").write_text('{"model_type": "bert"}')
    elif what == 5:
        (model / "model").mkdir()
        (model / "model" / MANIFEST).write_text('{"format": 2}')


DAMAGES: dict[str, Damage] = {
    made.__name__: made
    for made in (
        *(cut, flip, zero, grow, lose, empty, mix_up, noise, folder_for_a_file, pipe_for_a_file, link_for_a_file),
        *(wrong_shape, wrong_type, not_finite, other_names, header_length, offsets, odd_header, header_is_no_json),
        *(pickle_for_weights, pickle_for_the_manifest, other_format, other_kind, paths_in_the_manifest),
        *(files_in_the_manifest, other_labels, unsigned_manifest, foreign_manifest, wrong_vocabulary, other_words),
        *(hostile_vocabulary, other_config, hostile_config, something_else),
    )
}


def assert_refused(model: Path, damage: Damage, *, seed: str, canary: Path) -> str:
    """Damages a model folder; asserts that it is refused in one line that names it. Returns the line."""
    damage(model, Random(seed), canary)
    with pytest.raises((ModelError, MissingInputError)) as caught:
        load_model(model)
    message = str(caught.value)
    assert message.startswith(str(model)), seed
    assert message.isprintable(), seed
    assert len(message) < 500 + len(str(model)), seed
    assert not canary.exists(), seed
    return message
