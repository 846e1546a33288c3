"""Time and memory of prediction against the size of the corpus and the length of its sentences, and how both grow.

    python benchmarks/scaling.py runs/ewt ../shared/data/ewt/test.conllu --tokens 100000 1000000 10000000

Size: the text is repeated until it has so many tokens, and tagged by `tagger predict` from file to file: CoNLL-U by way
of columns, any other file as raw text, one sentence a line. With `--new-words`, each copy spells the words that occur
once anew, so that the model meets ever new ones. Length: the text's tokens are cut into sentences of one length, always
the same number of tokens in all, and tagged by a `Predictor` that has met the words.

Each measurement is a process of its own, with the most memory that it held; seconds are CPU time, so that a busy
machine changes them little, and leave out the start: what the command takes for the text's first sentence alone, and
the `Predictor`'s loading. The exponents are fitted by least squares on logarithms: of time, 1 is linear; of memory,
start included, 0 is flat.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from scaling_data import exponent, measure, write_copies

from tagger.data.conllu import read_conllu
from tagger.data.writers import write_conll
from tagger.sentence import Sentence

ONE_LENGTH = """\
import json, resource, statistics, sys, time
import torch
import tagger
model, tokens, length, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
predictor = tagger.load(model, device="cpu")
with open(tokens, encoding="utf-8") as file:
    words = json.load(file)
sentences = [words[start : start + int(length)] for start in range(0, len(words), int(length))]
seconds = []
for _ in range(4):
    began = time.process_time()
    predictor.predict(sentences)
    seconds.append(time.process_time() - began)
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([statistics.median(seconds[1:]), megabytes]))
"""


def main() -> None:
    """Runs the benchmark and prints a line for each size and length, and one for what is fitted to each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run folder or model folder")
    parser.add_argument("text", type=Path, help="a CoNLL-U file (.conllu), or raw text")
    parser.add_argument("--tokens", type=int, nargs="*", default=[1_000_000, 3_000_000, 10_000_000], help="sizes")
    parser.add_argument("--new-words", action="store_true", help="let the vocabulary of the sizes grow")
    parser.add_argument("--lengths", type=int, nargs="*", default=[10, 30, 100, 300, 1000, 3000], help="in tokens")
    parser.add_argument("--length-tokens", type=int, default=60_000, help="tokens in all at each length")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    if not all(0 < length <= options.length_tokens for length in options.lengths):
        parser.error(f"--lengths: expected numbers from 1 to --length-tokens ({options.length_tokens})")
    is_raw = options.text.suffix != ".conllu"
    sentences = list(_read_raw(options.text) if is_raw else _read_words(options.text))
    with tempfile.TemporaryDirectory() as name:
        if options.tokens:
            _measure_sizes(options, sentences, Path(name), is_raw=is_raw)
        if options.lengths:
            _measure_lengths(options, sentences, Path(name))


def _measure_sizes(options: argparse.Namespace, sentences: list[Sentence], folder: Path, *, is_raw: bool) -> None:
    source, tagged = folder / "source", folder / "tagged"
    layout = ["--from", "raw"] if is_raw else ["--from", "conll", "--tokens", "1"]
    command = [sys.executable, "-m", "tagger", "predict", options.model, str(source), *layout, "--to", "conll"]
    command += ["--output", str(tagged), "--device", "cpu", "--threads", str(options.threads), "--quiet"]
    write = _write_raw if is_raw else write_conll
    source.write_text("".join(write(sentences[:1])), encoding="utf-8")
    start, least = measure(command)
    print(f"start: {start:.2f} s, {least:,.0f} MB")
    sizes, seconds, memory = [], [], []
    for size in options.tokens:
        given = write_copies(sentences, size, source, new_words=options.new_words, write=write)
        spent, most = measure(command)
        with tagged.open("rb") as file:
            sizes.append(sum(line != b"\n" for line in file))
        if not is_raw and sizes[-1] != given:  # of raw text, the model's tokens are others than those between spaces
            raise SystemExit(f"{given:,} tokens went in, {sizes[-1]:,} came out")
        seconds.append(spent - start)
        memory.append(most)
        speed = f", {sizes[-1] / seconds[-1]:,.0f} tokens/s" if seconds[-1] > 0 else ""
        print(f"{sizes[-1]:,} tokens: {seconds[-1]:.2f} s{speed}, at most {most:,.0f} MB", flush=True)
    _print_exponents("size", sizes, seconds, memory)


def _measure_lengths(options: argparse.Namespace, sentences: list[Sentence], folder: Path) -> None:
    words = [token for sentence in sentences for token in sentence.tokens]
    words = (words * (options.length_tokens // len(words) + 1))[: options.length_tokens]
    path = folder / "tokens.json"
    path.write_text(json.dumps(words), encoding="utf-8")
    seconds, memory = [], []
    for length in options.lengths:
        command = [sys.executable, "-c", ONE_LENGTH, options.model, str(path), str(length), str(options.threads)]
        spent, most = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        seconds.append(spent * length / len(words))  # of one sentence
        memory.append(most)
        print(
            f"sentences of {length:,} tokens: {seconds[-1]:.5f} s each, {len(words) / spent:,.0f} tokens/s, "
            f"at most {most:,.0f} MB",
            flush=True,
        )
    _print_exponents("length", options.lengths, seconds, memory)


def _print_exponents(what: str, sizes: list[int], seconds: list[float], memory: list[float]) -> None:
    if len(set(sizes)) < 2:
        return
    if min(seconds) <= 0:
        print(f"exponents of {what}: none, since the smallest takes no longer than the start")
    else:
        print(f"exponents of {what}: time {exponent(sizes, seconds):.3f}, memory {exponent(sizes, memory):.3f}")


def _read_words(path: Path) -> Iterator[Sentence]:
    """Words alone; what stands in for their tags makes columns of words with blanks."""
    for sentence in read_conllu(path, tags=None):
        yield Sentence(tokens=sentence.tokens, tags=("_",) * len(sentence.tokens))


def _read_raw(path: Path) -> Iterator[Sentence]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if tokens := tuple(line.split()):
                yield Sentence(tokens=tokens)


def _write_raw(sentences: Iterable[Sentence]) -> Iterator[str]:
    return (" ".join(sentence.tokens) + "\n" for sentence in sentences)


if __name__ == "__main__":
    main()
