"""Precision, seed and threads: chosen for one run, and put back when it ends."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from tagger.config import TrainingConfig
from tagger.training.hardware import accelerating, choose_precision, seeded

CPU = torch.device("cpu")


class TestPrecision:
    @pytest.mark.parametrize(
        ("capabilities", "expected"),
        [
            ({}, "fp32"),
            ({"avx512_bf16": False, "avx512_f": True}, "fp32"),
            ({"avx512_bf16": True}, "bf16"),
            ({"amx_bf16": True}, "bf16"),
        ],
    )
    def test_auto_on_a_cpu(self, monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
        assert choose_precision(CPU, TrainingConfig()) == expected
        with accelerating(CPU, TrainingConfig()) as accelerator:
            assert accelerator.mixed_precision == {"fp32": "no", "bf16": "bf16"}[expected]

    def test_auto_where_torch_does_not_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
        assert choose_precision(CPU, TrainingConfig()) == "fp32"

    @pytest.mark.parametrize("supported", [True, False])
    def test_auto_on_a_gpu(self, monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
        assert choose_precision(torch.device("cuda"), TrainingConfig()) == ("bf16" if supported else "fp32")

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_asked_for(self, precision: str) -> None:
        assert choose_precision(CPU, TrainingConfig(precision=precision)) == precision  # type: ignore[arg-type]


class TestAccelerating:
    def test_one_run_after_the_other(self) -> None:
        for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32), ("bf16", torch.bfloat16)):
            with accelerating(CPU, TrainingConfig(precision=precision)) as accelerator, accelerator.autocast():  # type: ignore[arg-type]
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
                assert accelerator.device == CPU

    def test_nothing_is_left_behind(self) -> None:
        with accelerating(CPU, TrainingConfig(precision="fp32")):  # stands for a caller's own world
            AcceleratorState._reset_state(reset_partial_state=True)
            with accelerating(CPU, TrainingConfig(precision="bf16")):
                assert AcceleratorState._shared_state
            assert not AcceleratorState._shared_state
            assert Accelerator(mixed_precision="no", cpu=True).mixed_precision == "no"

    def test_the_callers_own_accelerator_is_put_back(self) -> None:
        with accelerating(CPU, TrainingConfig(precision="fp32")):  # stands for a caller's own world
            own = Accelerator(cpu=True, gradient_accumulation_steps=4)

            def fail() -> None:
                with accelerating(CPU, TrainingConfig(precision="bf16")) as accelerator:
                    assert accelerator.gradient_accumulation_steps == 1
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                fail()
            assert (own.mixed_precision, own.gradient_accumulation_steps) == ("no", 4)
            assert own.device == CPU


class TestSeeded:
    def test_seed(self) -> None:
        drawn = []
        for seed in (1, 1, 2):
            with seeded(TrainingConfig(seed=seed)):
                drawn.append(torch.rand(3).tolist())
        assert drawn[0] == drawn[1] != drawn[2]

    @pytest.mark.parametrize("asked", [0, 2])
    def test_threads(self, asked: int) -> None:
        assert torch.get_num_threads() == 1  # tests run on one

        def fail() -> None:
            with seeded(TrainingConfig(num_threads=asked)):
                assert torch.get_num_threads() == (asked or 1)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert torch.get_num_threads() == 1
