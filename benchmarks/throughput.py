"""Tokens a second in training and prediction, beside the bare `nn.LSTM` of the same sizes on the same batches.

    python benchmarks/throughput.py configs/pos_ewt.yaml --data.train TRAIN --data.test TEST [--threads 1 2]

The weights are fresh, which changes no time. Training is the whole step (features, LSTM, head, gradients, clipping,
optimizer), prediction goes from lists of strings to Predictions; both are the median of some passes over the test
split, in turn with the bare LSTM, so that a busy moment meets both. The ratio is the figure: how much longer than
the LSTM alone.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from tagger.config import Config
from tagger.config_file import load_config
from tagger.data.batches import Batch, bucket
from tagger.data.corpus import Corpus, load_corpus
from tagger.inference.device import pick_device
from tagger.inference.predictor import BATCH_TOKENS, Predictor
from tagger.training.assembly import build_language_model, build_tagger, build_vocabulary, make_optimizer
from tagger.training.epochs import encode_train
from tagger.training.hardware import accelerating
from tagger.training.loop import fit
from tagger.training.optimizer import rate_factor


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a config with a train and a test split")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads, in turn (default 1 2)")
    parser.add_argument("--repeats", type=int, default=5, help="passes of each (default 5)")
    given, overrides = parser.parse_known_args()
    config = load_config(given.config, overrides)
    device = pick_device(config.training.device, key="training.device")
    corpus = load_corpus(config.data)
    vocabulary, vectors = build_vocabulary(config, corpus, tell=lambda _: None)
    predictor = build_tagger(config, corpus, vocabulary=vocabulary, vectors=vectors, device=device)
    sentences = [sentence.tokens for sentence in corpus.test]
    num_tokens = sum(map(len, sentences))
    print(f"torch {torch.__version__}, {device}, {num_tokens:,} tokens, hidden {config.model.hidden_dim}")
    print(f"{'threads':<8} {'what':<11} {'tokens/s':>10} {'bare LSTM':>10} {'time / bare':>12}")
    with accelerating(device, config.training) as accelerator:
        batches = _batches(config, corpus, predictor)
        bare = _Bare(predictor).to(device)
        lengths = corpus.test.lengths
        trained = [torch.randn(*batch.forms.shape, bare.input_dim, device=device) for batch in batches]
        predicted = [
            torch.randn(len(group), int(lengths[group].max()), bare.input_dim, device=device)
            for group in bucket(lengths, batch_size=None, batch_tokens=BATCH_TOKENS)
        ]
        for threads in given.threads if device.type == "cpu" else [0]:
            if threads:
                torch.set_num_threads(threads)
            train = partial(_train, predictor, batches, config=config, accelerator=accelerator)
            train_bare = partial(bare.train_on, trained, autocast=accelerator.autocast)
            predict = partial(predictor.predict, sentences)
            predict_bare = partial(bare.run_on, predicted)
            for what, ours, other in (("training", train, train_bare), ("prediction", predict, predict_bare)):
                seconds, seconds_bare = _measure(ours, other, repeats=given.repeats, device=device)
                print(
                    f"{threads or '-':<8} {what:<11} {num_tokens / seconds:>10,.0f} {num_tokens / seconds_bare:>10,.0f}"
                    f" {seconds / seconds_bare:>12.2f}",
                    flush=True,
                )
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


class _Bare(nn.Module):
    """The encoder's LSTMs with nothing around them: each direction over the batch as it lies."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        encoder = predictor.network.encoder
        stacks = [encoder.forwards, encoder.backwards]
        layers = [layer for stack in stacks if stack is not None for layer in stack]
        if any(layer.proj_size for layer in layers) or len(encoder.forwards) > 1:
            raise SystemExit("the bare LSTM stands for one layer without projection: set model.num_layers 1")
        self.input_dim = layers[0].input_size
        self.layers = nn.ModuleList(
            nn.LSTM(layer.input_size, layer.hidden_size, bias=layer.bias, batch_first=True) for layer in layers
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """(B, T, D) -> for each direction (B, T, H)."""
        return [layer(features)[0] for layer in self.layers]

    def train_on(self, batches: list[Tensor], *, autocast: Callable[[], object]) -> None:
        """Forward and backward, to the weights and to the features, as in training."""
        for features in batches:
            features.requires_grad_()
            with autocast():
                outputs = self(features)
            sum(output.float().sum() for output in outputs).backward()
            features.grad = None
            self.zero_grad(set_to_none=True)

    @torch.inference_mode()
    def run_on(self, batches: list[Tensor]) -> None:
        """Forward, in float32 as in prediction."""
        for features in batches:
            self(features)


def _batches(config: Config, corpus: Corpus, predictor: Predictor) -> list[Batch]:
    """The test split as training would batch it."""
    tested = Corpus(train=corpus.test, dev=(), test=(), labels=corpus.labels, scheme=corpus.scheme)
    return list(encode_train(config, tested, predictor.vocabulary)(1))


def _train(predictor: Predictor, batches: list[Batch], *, config: Config, accelerator: object) -> None:
    language_model = build_language_model(config, predictor)
    steps = fit(
        predictor.network,
        lambda _: batches,
        optimizer=make_optimizer(config, predictor, language_model),
        accelerator=accelerator,
        num_epochs=1,
        factor=partial(rate_factor, schedule="constant", warmup=0.0),
        clip_norm=config.training.clip_norm,
        language_model=language_model,
        language_weight=config.training.language_model,
    )
    for _ in steps:
        pass


def _measure(
    ours: Callable[[], object], bare: Callable[[], object], *, repeats: int, device: torch.device
) -> tuple[float, float]:
    """Median seconds of both, run in turn, the first of each left out."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for run, kept in zip((ours, bare), times, strict=True):
            began = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            kept.append(time.perf_counter() - began)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


if __name__ == "__main__":
    main()
