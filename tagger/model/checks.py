"""What the heads refuse: shapes that do not fit, labels that are none, masks with holes."""

import torch
from torch import Tensor


def check_emissions(emissions: Tensor, mask: Tensor, *, num_tags: int) -> Tensor:
    """Emissions (B, T, K) in float32 or better: bf16 would change which tag is likeliest.

    Args:
        emissions: (B, T, K) scores.
        mask: (B, T) bool, True at tokens.
        num_tags: K.

    Raises:
        ValueError: shapes that do not fit each other, or a mask that is not bool; says what was expected and got.
    """
    if mask.dtype != torch.bool:
        raise ValueError(f"expected a mask of bool, got {mask.dtype}")
    if emissions.shape != (*mask.shape, num_tags):
        raise ValueError(f"expected emissions of shape {(*mask.shape, num_tags)}, got {tuple(emissions.shape)}")
    return emissions.to(torch.promote_types(emissions.dtype, torch.float32))


def check_tags(tags: Tensor, mask: Tensor, *, num_tags: int) -> None:
    """Refuses gold tags that are no tag's id, which other implementations read as some tag, or skip.

    On the CPU alone: on a GPU it would be one more thing for which a training step waits.

    Args:
        tags: (B, T) gold tag ids, anything where padded.
        mask: (B, T) bool, True at tokens.
        num_tags: K.

    Raises:
        ValueError: a token's tag is not in [0, K).
    """
    if tags.shape != mask.shape:
        raise ValueError(f"expected tags of shape {tuple(mask.shape)}, got {tuple(tags.shape)}")
    if tags.device.type != "cpu":
        return
    wrong = tags[mask & ((tags < 0) | (tags >= num_tags))]
    if len(wrong):
        raise ValueError(f"expected gold tag ids from 0 to {num_tags - 1}, got {int(wrong[0])}")


def check_mask(mask: Tensor) -> Tensor:
    """The lengths (B,) that a mask (B, T) stands for.

    Raises:
        ValueError: a sentence without tokens, or with tokens after padding (looked for on the CPU alone).
    """
    lengths = mask.sum(dim=1)
    if mask.device.type == "cpu":
        if not mask.size(1) or not mask[:, 0].all():
            raise ValueError("a sentence without tokens")
        if not torch.equal(mask, torch.arange(mask.size(1)) < lengths.unsqueeze(1)):
            raise ValueError("a mask with a hole: tokens stand on the left, padding on the right")
    return lengths
