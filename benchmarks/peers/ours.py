"""tagger itself, with a config of `configs/`, on the same files."""

import sys
import tempfile
from pathlib import Path

from common import measure, read_task

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def main() -> None:
    """Trains and measures."""
    preset = sys.argv.pop(1).removeprefix("accurate").replace("fast", "_fast")
    paths = {name: sys.argv[sys.argv.index(f"--{name}") + 1] for name in ("train", "dev", "test")}
    task = read_task(__doc__)
    import tagger

    overrides = [f"--data.{name}={Path(path).resolve()}" for name, path in paths.items()]
    overrides += [f"--training.num_threads={task.threads}", "--training.device=cpu"]
    config = tagger.load_config(CONFIGS / f"pos_ewt{preset}.yaml", overrides)
    trained: list[tagger.Predictor] = []

    def train() -> int:
        with tempfile.TemporaryDirectory() as folder:
            report = tagger.train(config, Path(folder) / "run")
            trained.append(tagger.load(Path(folder) / "run", device="cpu"))
        return len(report.curve) * sum(len(tokens) for tokens, _ in task.train)

    def predict(sentences: list[list[str]]) -> list[list[str]]:
        return [list(prediction.tags) for prediction in trained[0].predict(sentences)]

    note = f"BiLSTM {config.model.hidden_dim}, {config.training.num_epochs} epochs"
    measure("tagger, fast" if preset else "tagger, accurate", "tagger", task, train=train, predict=predict, note=note)


if __name__ == "__main__":
    main()
