"""Checkpoints: what is captured is restored to the bit, the newest valid one wins, and only so many are kept."""

import shutil
from pathlib import Path

import pytest
import torch

from tagger.errors import ConfigError, ModelError, OutputError
from tagger.model.network import SequenceTagger
from tagger.training.checkpoint import Checkpoint, Checkpoints, capture, part_of, read_checkpoint, restore
from tagger.training.optimizer import build_optimizer
from tagger.training.position import Epoch, Position
from tests.training.test_loop import make_network

FILES = ["manifest.json", "state.json", "tensors.safetensors"]


def make_epoch(number: int, score: float | None = 0.1) -> Epoch:
    return Epoch(
        number=number,
        train_loss=1 / 3,
        dev_score=score,
        is_best=True,
        seconds=0.5,
        tokens_per_second=10.0,
        learning_rate=1e-3,
    )


def make_optimizer(network: SequenceTagger, name: str = "adamw", momentum: float = 0.0) -> torch.optim.Optimizer:
    return build_optimizer(network, name=name, learning_rate=0.1, weight_decay=0.1, momentum=momentum)  # type: ignore[arg-type]


def take_step(network: SequenceTagger, optimizer: torch.optim.Optimizer) -> None:
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer.step()


def make_checkpoint(epoch: int = 1, step: int = 0) -> Checkpoint:
    epochs = tuple(make_epoch(number) for number in range(1, epoch))
    position = Position(epochs=epochs, step=step, total=0.1 + 0.2, num_tokens=7, seconds=1.5)
    tensors = {"weights/a": torch.arange(3.0), "random/cpu": torch.get_rng_state()}
    return Checkpoint(position=position, seconds=2.5, origin={"torch": "2", "caf\udce9": None}, tensors=tensors)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep=2)


class TestState:
    @pytest.mark.parametrize(("name", "momentum"), [("adamw", 0.0), ("sgd", 0.0), ("sgd", 0.9)])
    def test_what_is_captured_is_restored_to_the_bit(self, name: str, momentum: float, tmp_path: Path) -> None:
        one = make_network(dropout=0.5)
        optimizer = make_optimizer(one, name, momentum)
        take_step(one, optimizer)
        checkpoints = Checkpoints(tmp_path, keep=1)
        position = Position(step=1, total=1.0, num_tokens=1, seconds=0.1)
        checkpoints.save(Checkpoint(position=position, seconds=0.0, origin={}, tensors=capture(one, optimizer)))
        take_step(one, optimizer)
        expected, drawn = capture(one, optimizer), torch.rand(3)

        other = make_network(dropout=0.5)
        again = make_optimizer(other, name, momentum)
        newest, damages = checkpoints.newest()
        assert newest is not None
        assert damages == []
        restore(newest.tensors, other, again)
        take_step(other, again)
        found = capture(other, again)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
        assert torch.equal(torch.rand(3), drawn)

    def test_frozen_weights_have_no_optimizer_state(self) -> None:
        network = make_network()
        network.to_emissions.bias.requires_grad = False
        optimizer = make_optimizer(network)
        take_step(network, optimizer)
        tensors = capture(network, optimizer)
        assert "weights/to_emissions.bias" in tensors
        assert not any(name.startswith("optimizer/to_emissions.bias/") for name in tensors)
        before = {name: value.clone() for name, value in tensors.items()}
        take_step(network, optimizer)
        restore(before, network, optimizer)
        after = capture(network, optimizer)
        assert all(torch.equal(before[name], after[name]) for name in before)

    def test_the_settings_of_the_optimizer_stay(self) -> None:
        network = make_network()
        optimizer = make_optimizer(network)
        take_step(network, optimizer)
        tensors = capture(network, optimizer)
        other = make_optimizer(network)
        other.param_groups[0]["lr"] = 0.025
        restore(tensors, network, other)
        assert other.param_groups[0]["lr"] == 0.025

    def test_a_network_of_other_sizes(self) -> None:
        network = make_network()
        tensors = capture(network, make_optimizer(network))
        tensors["weights/to_emissions.bias"] = torch.zeros(9)
        message = r"does not fit this network: to_emissions\.bias: expected \(3,\), found \(9,\)"
        with pytest.raises(ConfigError, match=message):
            restore(tensors, network, make_optimizer(network))
        del tensors["weights/to_emissions.bias"]
        with pytest.raises(ConfigError, match="found nothing"):
            restore(tensors, network, make_optimizer(network))

    def test_part_of(self) -> None:
        tensors = {"best/a/b": torch.ones(1), "weights/a": torch.zeros(1)}
        assert list(part_of(tensors, "best/")) == ["a/b"]


class TestFolder:
    def test_reads_back_equal(self, checkpoints: Checkpoints) -> None:
        saved = make_checkpoint(3, 12)
        checkpoints.save(saved)
        (name,) = checkpoints.names()
        assert name == "0003-00000012"
        assert sorted(path.name for path in (checkpoints.folder / name).iterdir()) == FILES
        found = read_checkpoint(checkpoints.folder / name)
        assert (found.position, found.seconds, found.origin) == (saved.position, saved.seconds, saved.origin)
        assert all(torch.equal(found.tensors[key], value) for key, value in saved.tensors.items())

    def test_the_last_are_kept(self, checkpoints: Checkpoints) -> None:
        for epoch, step in ((1, 5), (1, 10), (2, 0), (2, 5)):
            checkpoints.save(make_checkpoint(epoch, step))
        assert checkpoints.names() == ["0002-00000000", "0002-00000005"]
        assert sorted(path.name for path in checkpoints.folder.iterdir()) == checkpoints.names()

    def test_long_runs_are_in_order(self, tmp_path: Path) -> None:
        checkpoints = Checkpoints(tmp_path, keep=9)
        for epoch, step in ((2, 123_456_789), (2, 99_999_999), (1, 3)):
            (tmp_path / f"{epoch:04}-{step:08}").mkdir()
        (tmp_path / "10000-00000000").mkdir()
        (tmp_path / "notes").mkdir()
        assert checkpoints.names() == ["0001-00000003", "0002-99999999", "0002-123456789", "10000-00000000"]

    @pytest.mark.parametrize("file", FILES)
    @pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
    def test_a_broken_one_is_skipped_by_name(self, checkpoints: Checkpoints, file: str, damage: str) -> None:
        for step in (5, 10):
            checkpoints.save(make_checkpoint(1, step))
        path = checkpoints.folder / "0001-00000010" / file
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
        if damage == "gone":
            path.unlink()
        newest, (damaged,) = checkpoints.newest()
        assert newest is not None
        assert newest.position.step == 5
        assert str(checkpoints.folder / "0001-00000010") in damaged

    def test_what_could_not_be_read_goes_with_the_next_save(self, checkpoints: Checkpoints) -> None:
        for step in (5, 10):
            checkpoints.save(make_checkpoint(1, step))
        (checkpoints.folder / "0001-00000010" / "state.json").write_text("{}")
        checkpoints.save(make_checkpoint(1, 7))
        assert checkpoints.names() == ["0001-00000005", "0001-00000007"]

    def test_a_broken_one_is_replaced(self, checkpoints: Checkpoints) -> None:
        checkpoints.save(make_checkpoint(1, 5))
        (checkpoints.folder / "0001-00000005" / "state.json").write_text("{}")
        assert checkpoints.newest()[0] is None
        checkpoints.save(make_checkpoint(1, 5))
        assert checkpoints.newest()[1] == []

    def test_none(self, checkpoints: Checkpoints) -> None:
        assert checkpoints.newest() == (None, [])
        assert checkpoints.names() == []

    def test_leftovers_are_no_checkpoints(self, checkpoints: Checkpoints) -> None:
        checkpoints.save(make_checkpoint(1, 5))
        for name in (".0001-00000010.77.new", ".0001-00000003.gone"):
            shutil.copytree(checkpoints.folder / "0001-00000005", checkpoints.folder / name)
        assert checkpoints.names() == ["0001-00000005"]
        checkpoints.remove_leftovers()
        assert [path.name for path in checkpoints.folder.iterdir()] == ["0001-00000005"]

    def test_of_something_else(self, checkpoints: Checkpoints, pos_run: Path) -> None:
        shutil.copytree(pos_run / "model", checkpoints.folder / "0001-00000001")
        with pytest.raises(ModelError):
            read_checkpoint(checkpoints.folder / "0001-00000001")

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot be written: Not a directory"):
            Checkpoints(tmp_path / "file", keep=1).save(make_checkpoint())
