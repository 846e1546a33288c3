"""What several verbs share."""

from tagger.errors import ConfigError


def set_threads(count: int) -> None:
    """Sets torch's CPU threads; 0 leaves torch's choice."""
    import torch

    if count < 0:
        raise ConfigError(f"--threads: expected a number >= 0, got {count}")
    if count:
        torch.set_num_threads(count)


def column_or_key(where: str | None, source_format: str) -> int | str | None:
    """`3` -> column 3 where the format has columns, otherwise a key or a column's name."""
    if where is None or source_format != "conll":
        return where
    try:
        return int(where)
    except ValueError:
        return where
