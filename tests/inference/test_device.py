"""How exactly is computed: TF32 is off where the network is called, and only there."""

import threading

import pytest
import torch

import tagger.inference.device as device_module
from tagger.errors import ConfigError
from tagger.inference.device import full_float32, pick_precision, warn_of_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("has_bf16", [False, True])
def test_auto_is_bf16_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch, has_bf16: bool) -> None:
    monkeypatch.setattr(device_module, "has_bf16", lambda _: has_bf16)
    assert pick_precision("auto", CPU) == ("bf16" if has_bf16 else "fp32")
    assert [pick_precision(name, CPU) for name in ("fp32", "bf16", "int8")] == ["fp32", "bf16", "int8"]


def test_int8_is_for_cpus() -> None:
    with pytest.raises(ConfigError, match=r"^--precision: int8 is for CPUs; on cuda, take bf16$"):
        pick_precision("int8", CUDA, key="--precision")


def test_tf32_is_off_on_cuda_and_comes_back() -> None:
    assert torch.backends.cudnn.allow_tf32  # torch's default
    with full_float32(CUDA):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32


def test_other_flags_of_cudnn_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    with full_float32(CUDA):
        assert torch.backends.cudnn.deterministic
        assert torch.backends.cudnn.enabled


def test_nothing_changes_on_a_cpu() -> None:
    with full_float32(torch.device("cpu")), full_float32(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32


def test_threads_do_not_mix_up_what_was_set_before() -> None:
    """The flags are the process's: one that left while another is inside would turn TF32 on for that one."""
    wrong: list[int] = []

    def enter() -> None:
        for number in range(200):
            with full_float32(CUDA):
                if torch.backends.cudnn.allow_tf32:
                    wrong.append(number)

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert torch.backends.cudnn.allow_tf32


@pytest.mark.cuda
def test_an_lstm_on_cuda_is_as_exact_as_float32() -> None:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(256, 256, batch_first=True, bidirectional=True)
    x = torch.randn(4, 50, 256)
    with torch.inference_mode():
        exact = lstm.double()(x.double())[0].float()
        lstm.float().to(CUDA)
        with full_float32(CUDA):
            found = lstm(x.to(CUDA))[0].cpu()
    assert (found - exact).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("capabilities", "bf16", "int8"),
    [
        ({"architecture": "x86_64", "avx2": True}, True, True),
        ({"architecture": "x86_64", "avx512_bf16": True, "avx512_vnni": True}, False, False),
        ({"architecture": "x86_64", "avx512_bf16": False, "avx512_vnni": True}, True, False),
        ({"architecture": "x86_64", "avx_vnni": True}, True, False),
        ({"architecture": "aarch64"}, True, False),
    ],
)
def test_a_precision_that_is_slower_than_float32_is_told(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], bf16: bool, int8: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert warn_of_precision("fp32", CPU) is None
    assert (warn_of_precision("bf16", CPU) is not None) == bf16
    assert (warn_of_precision("int8", CPU) is not None) == int8
    assert warn_of_precision(pick_precision("auto", CPU), CPU) is None


def test_the_warning_says_which_precision_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    told = warn_of_precision("bf16", CPU)
    assert told == "precision bf16: cpu has no instructions for it, so that fp32 is faster here, often many times"
