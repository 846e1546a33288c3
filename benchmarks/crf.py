"""The CRF beside pytorch-crf: loss, loss with gradient, and decoding, in one run.

    python benchmarks/crf.py [--threads 1] [--repeats 15]

For each size (sentences, tokens, tags) it prints the median milliseconds of both, taken in turns, and their ratio; once
more at 17 tags as BIOES with four types, where ours knows what is illegal, in training too; then
the share that our loss with its gradient has in a whole training step of the default network at (32, 50, 17). On CUDA
too where there is a device, warmed up and synchronised. Lengths run from half the longest to the longest.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchcrf import CRF

from tagger.config import FeaturesConfig, ModelConfig
from tagger.data.batches import Batch
from tagger.data.tag_table import TagTable
from tagger.model.crf import LinearChainCRF
from tagger.model.network import Sizes, build_network
from tagger.schemes import tags_of_types

SIZES = [(32, 50, 9), (32, 50, 17), (32, 50, 50), (128, 128, 17)]


def measure(candidates: list[Callable[[], object]], *, repeats: int, device: torch.device) -> list[float]:
    """Median milliseconds of each candidate.

    They take turns, so that all see the same machine; in its turn a candidate runs once unmeasured, then five times.
    """
    seconds: list[list[float]] = [[] for _ in candidates]
    for _ in range(repeats):
        for candidate, times in zip(candidates, seconds, strict=True):
            candidate()
            for _ in range(5):
                synchronise(device)
                start = time.perf_counter()
                candidate()
                synchronise(device)
                times.append(time.perf_counter() - start)
    return [1000 * statistics.median(times) for times in seconds]


def synchronise(device: torch.device) -> None:
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def draw_mask(num_sentences: int, num_steps: int, device: torch.device) -> Tensor:
    """(B, T) bool, lengths from T / 2 to T."""
    lengths = torch.randint(num_steps // 2, num_steps + 1, (num_sentences,))
    lengths[0] = num_steps
    return (torch.arange(num_steps) < lengths.unsqueeze(1)).to(device)


def compare(size: tuple[int, int, int], *, repeats: int, device: torch.device, table: TagTable | None = None) -> None:
    """Prints one size's lines; with a table, ours is constrained."""
    num_sentences, num_steps, num_tags = size
    theirs = CRF(num_tags, batch_first=True).to(device)
    ours = LinearChainCRF(num_tags, table=table, constrain_training=table is not None).to(device)
    ours.load_state_dict(theirs.state_dict())
    emissions = torch.randn(*size, device=device, requires_grad=True)
    tags = torch.randint(num_tags, size[:2], device=device)
    mask = draw_mask(num_sentences, num_steps, device)
    fixed = emissions.detach()

    def their_loss() -> Tensor:
        return -theirs(emissions, tags, mask=mask)  # type: ignore[no-any-return]

    def our_loss() -> Tensor:
        return ours.negative_log_likelihood(emissions, tags, mask)

    pairs: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("loss", lambda: their_loss().item(), lambda: our_loss().item()),
        ("loss + gradient", lambda: their_loss().backward(), lambda: our_loss().backward()),
        ("decode", lambda: theirs.decode(fixed, mask=mask), lambda: ours.viterbi(fixed, mask).tolist()),
    ]
    for name, one, other in pairs:
        first, second = measure([one, other], repeats=repeats, device=device)
        label = "constrained" if table else str(size)
        print(f"{label:15}  {name:15}  {first:9.2f}  {second:9.2f}  {first / second:6.1f}x", flush=True)


def print_share(*, repeats: int, device: torch.device) -> None:
    """Prints what part of a training step is ours to pay."""
    num_sentences, num_steps, num_tags = 32, 50, 17
    sizes = Sizes(num_words=20_000, num_characters=200, num_affixes=8, num_tags=num_tags)
    network = build_network(FeaturesConfig(), ModelConfig(head="crf"), sizes).to(device)
    num_forms, num_characters = 600, 12
    mask = draw_mask(num_sentences, num_steps, device)
    batch = Batch(
        words=torch.randint(2, sizes.num_words, (num_forms,), device=device),
        forms=torch.randint(num_forms, (num_sentences, num_steps), device=device),
        characters=torch.randint(2, sizes.num_characters, (num_forms, num_characters), device=device),
        character_lengths=torch.full((num_forms,), num_characters, device=device),
        affixes=torch.randint(1, 20_000, (num_forms, sizes.num_affixes), device=device),
        lengths=mask.sum(dim=1),
        tags=torch.randint(num_tags, (num_sentences, num_steps), device=device),
    )
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    tags = batch.tags if batch.tags is not None else torch.empty(0)
    emissions = torch.randn(num_sentences, num_steps, num_tags, device=device, requires_grad=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network.head.loss(network(batch), tags, mask).backward()
        optimizer.step()

    def head() -> None:
        network.head.loss(emissions, tags, mask).backward()

    whole, part = measure([step, head], repeats=repeats, device=device)
    print(f"training step at (32, 50, 17), hidden 256, fp32: {whole:.1f} ms, of which the CRF {part:.1f} ms", end="")
    print(f" = {100 * part / whole:.1f} %")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: torch's choice")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    for name in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        device = torch.device(name)
        where = torch.cuda.get_device_name(device) if name == "cuda" else f"{torch.get_num_threads()} threads"
        print(f"{name}, {where}; torch {torch.__version__}; median milliseconds")
        print(f"{'size':15}  {'what':15}  {'torchcrf':>9}  {'ours':>9}   ratio")
        for size in SIZES:
            compare(size, repeats=options.repeats, device=device)
        table = TagTable.build(tags_of_types("ABCD", "BIOES"), encoding="BIOES", scheme="BIO")
        compare((32, 50, 17), repeats=options.repeats, device=device, table=table)
        print_share(repeats=options.repeats, device=device)
    if not torch.cuda.is_available():
        print("cuda: not measured, no device")


if __name__ == "__main__":
    main()
