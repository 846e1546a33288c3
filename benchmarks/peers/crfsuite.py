"""CRFsuite through python-crfsuite: a linear-chain CRF over hand-written features of the word and its neighbours."""

import tempfile
from pathlib import Path

from common import measure, read_task

MAX_ITERATIONS = 100


def describe(word: str) -> list[str]:
    """The usual features of one word."""
    lower = word.lower()
    return [
        f"lower={lower}",
        *(f"p{size}={lower[:size]}" for size in (1, 2, 3)),
        *(f"s{size}={lower[-size:]}" for size in (1, 2, 3, 4)),
        f"upper={word.isupper()}",
        f"title={word.istitle()}",
        f"digit={word.isdigit()}",
        f"number={any(letter.isdigit() for letter in word)}",
        f"hyphen={'-' in word}",
    ]


def featurise(tokens: list[str]) -> list[list[str]]:
    """Each token's own features, and the words and endings of two neighbours on either side."""
    own = [describe(word) for word in tokens]
    lower = [word.lower() for word in tokens]
    rows = []
    for at, features in enumerate(own):
        row = ["bias", *features]
        for shift in (-2, -1, 1, 2):
            there = at + shift
            if 0 <= there < len(tokens):
                row += [f"{shift}:lower={lower[there]}", f"{shift}:s3={lower[there][-3:]}"]
            else:
                row.append(f"{shift}:none")
        rows.append(row)
    return rows


def main() -> None:
    """Trains and measures."""
    task = read_task(__doc__)
    import pycrfsuite

    tagger = pycrfsuite.Tagger()

    def train() -> int:
        trainer = pycrfsuite.Trainer(verbose=False)
        for tokens, tags in task.train:
            trainer.append(featurise(tokens), tags)
        trainer.set_params({"c1": 0.1, "c2": 0.1, "max_iterations": MAX_ITERATIONS})
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "model.crfsuite")
            trainer.train(path)
            tagger.open_inmemory(Path(path).read_bytes())
        return MAX_ITERATIONS * sum(len(tokens) for tokens, _ in task.train)

    def predict(sentences: list[list[str]]) -> list[list[str]]:
        return [tagger.tag(featurise(tokens)) for tokens in sentences]

    measure("CRFsuite", "python-crfsuite", task, train=train, predict=predict, note="L-BFGS, c1 0.1, c2 0.1")


if __name__ == "__main__":
    main()
