"""A folder, or an id on the Hugging Face Hub -> Predictor."""

import warnings
from pathlib import Path

import torch

from tagger.inference.device import Precision, pick_device, pick_precision, warn_of_precision
from tagger.inference.hub_models import locate_model
from tagger.inference.model_folder import SavedModel, load_model
from tagger.inference.predictor import Predictor


def load(folder: str | Path, *, device: str = "auto", precision: str = "fp32") -> Predictor:
    """Loads a trained model.

    Args:
        folder: a run folder, the model folder within it, or a model's id on the Hugging Face Hub: `owner/name`, or
            `owner/name@REVISION`.
        device: auto = the GPU if there is one; else cpu, cuda or cuda:N.
        precision: fp32; bf16: faster where the hardware computes in it, and of some ten thousand tags a few may
            differ, also with the other sentences of a batch; int8, on CPUs: hidden states and their weights as 8-bit
            integers, faster where the CPU multiplies those (VNNI); auto: bf16 where the hardware computes in it, else
            fp32. A UserWarning says where one is slower than fp32.

    Raises:
        MissingInputError: there is no model there.
        ModelError: the model is damaged, foreign or of a newer format.
        ConfigError: there is no such device or precision.
    """
    where = pick_device(device)
    chosen = pick_precision(precision, where)
    if (slower := warn_of_precision(chosen, where)) is not None:
        warnings.warn(slower, stacklevel=2)
    return predictor_of(load_model(locate_model(folder)), device=where, precision=chosen)


def predictor_of(saved: SavedModel, *, device: torch.device, precision: Precision = "fp32") -> Predictor:
    """The Predictor of a saved model."""
    return Predictor(
        saved.network,
        saved.vocabulary,
        scheme=saved.config.data.scheme,
        encoding=saved.config.model.encoding,
        device=device,
        temperature=saved.temperature,
        precision=precision,
    )
