"""(Bi)LSTM over the sentence: the output at every token, of every layer -> (B, T, H).

Hochreiter & Schmidhuber (1997), "Long Short-Term Memory"; both directions: Graves & Schmidhuber (2005), "Framewise
Phoneme Classification with Bidirectional LSTM". `docs/lstm_outputs.md` explains what an LSTM returns.
"""

import warnings
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor, nn

from tagger.model.dropout import Dropout
from tagger.model.features import reversal
from tagger.model.packing import Packing
from tagger.model.recurrence import recur
from tagger.model.row_counts import missing

# On a CPU, PyTorch says once a process that projections take its slower path: its user can do nothing about that.
warnings.filterwarnings("ignore", message="LSTM with projections is not supported", category=UserWarning)


class LSTMEncoder(nn.Module):
    """A stack of single-layer LSTMs, each direction an LSTM of its own.

    `nn.LSTM(bidirectional=True)` over a padded batch lets the backward direction read the padding first, and packing
    the batch costs several times the time on a CPU. Here the backward LSTM runs forwards over each sentence reversed
    within its own length; padding stays on the right for both directions and is read last, so no real token ever sees
    it: exactly the packed result at the padded price. One module a layer also gives each layer's output.

    On a CPU the same weights are read by `recurrence.py`, to the same result; `_layers_of_nn_lstm` says what it is.

    Args:
        input_dim: D, width of a token's features.
        hidden_dim: hidden size of each direction.
        num_layers: layers.
        bias: use bias weights.
        dropout: dropout on the output of each layer but the last.
        bidirectional: read in both directions.
        proj_size: width that each direction's hidden state is projected to; 0 = no projection.
        mix: return a learned weighted sum of all layers' outputs instead of the last one: Peters et al. (2018), "Deep
            contextualized word representations", equation 1.
    """

    def __init__(
        self,
        input_dim: int,
        *,
        hidden_dim: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = True,
        proj_size: int = 0,
        mix: bool = False,
    ) -> None:
        super().__init__()
        num_directions = 2 if bidirectional else 1
        self.output_dim = (proj_size or hidden_dim) * num_directions
        widths = [input_dim] + [self.output_dim] * (num_layers - 1)

        def stack() -> nn.ModuleList:
            return nn.ModuleList(
                nn.LSTM(width, hidden_dim, bias=bias, batch_first=True, proj_size=proj_size) for width in widths
            )

        self.forwards = stack()
        self.backwards = stack() if bidirectional else None
        self.dropout = Dropout(dropout)
        self.mix_weights = nn.Parameter(torch.zeros(num_layers)) if mix else None
        self.mix_scale = nn.Parameter(torch.ones(())) if mix else None
        self.num_trainings = 0  # how often training has begun

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`."""
        self.num_trainings += mode
        return super().train(mode)

    def prepare(self, by_form: Tensor) -> Tensor:
        """What the first layer makes of each form before it reads a sentence: (U, D) -> (U or more, W), for `encode`.

        It depends on the form alone, so prediction remembers it. On a CPU it is the product with the input weights of
        both directions, W = 4 hidden_dim for each; elsewhere, cuDNN wants the features themselves, W = D.
        """
        return self._products(0, by_form) if self.reads_products(by_form.device) else by_form

    def encode(self, prepared: Tensor, forms: Tensor, lengths: Tensor, *, in_int8: bool = False) -> Tensor:
        """Encodes every token.

        Args:
            prepared: (U, W) as `prepare` returns it.
            forms: (B, T) which of the U each token is; anything where padded.
            lengths: (B,) tokens of each sentence, each >= 1.
            in_int8: on a CPU, multiply hidden states in 8-bit integers; where no gradient is wanted.

        Returns:
            (B, T, H); values in padding mean nothing.
        """
        outputs = self.layers(prepared, forms, lengths, in_int8=in_int8)
        if self.mix_weights is None or self.mix_scale is None:
            return outputs[-1]
        weights = torch.softmax(self.mix_weights, dim=0)  # (num_layers,) how much each layer counts; sums to 1
        mixed = (torch.stack(outputs, dim=-1) * weights).sum(dim=-1)  # (B, T, H)
        return mixed * self.mix_scale

    def layers(self, prepared: Tensor, forms: Tensor, lengths: Tensor, *, in_int8: bool = False) -> list[Tensor]:
        """As `encode`, for each layer its own output, (B, T, H)."""
        if self.reads_products(prepared.device):
            return self._layers_from_products(prepared, forms, lengths, in_int8=in_int8)
        return self._layers_of_nn_lstm(F.embedding(forms, prepared), lengths)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Tokens that are all different, (B, T, D), and lengths (B,) -> the encoding of every token, (B, T, H)."""
        mask = torch.arange(features.size(1), device=features.device) < lengths.unsqueeze(1)
        tokens = mask.flatten().cumsum(0).view_as(mask) - 1  # (B, T) which of the real tokens each one is
        return self.encode(self.prepare(features[mask]), tokens.clamp(min=0), lengths)

    def reads_products(self, device: torch.device) -> bool:
        """Whether the layers are read by `recurrence.py` there, and not by `nn.LSTM`."""
        return device.type == "cpu" and not self.forwards[0].proj_size

    def _layer(self, number: int) -> list[nn.LSTM]:
        """A layer's directions: the one that reads forwards, then the other."""
        stacks = [self.forwards] if self.backwards is None else [self.forwards, self.backwards]
        return [stack[number] for stack in stacks]  # type: ignore[misc]

    def _products(self, number: int, inputs: Tensor) -> Tensor:
        """(R, D) -> (R or more, E * 4 hidden_dim): what a layer's input adds to the gates of its E directions."""
        layer = self._layer(number)
        if torch.is_autocast_enabled("cpu"):
            inputs = F.pad(inputs, (0, 0, 0, missing(len(inputs))))
        weights = torch.cat([_weight(lstm, "weight_ih") for lstm in layer])
        if not layer[0].bias:
            return F.linear(inputs, weights)
        biases = [_weight(lstm, "bias_ih") + _weight(lstm, "bias_hh") for lstm in layer]
        return F.linear(inputs, weights, torch.cat(biases))

    def _layers_from_products(self, products: Tensor, forms: Tensor, lengths: Tensor, *, in_int8: bool) -> list[Tensor]:
        num_directions = len(self._layer(0))
        packing = Packing.of(lengths, forms.size(1), num_directions=num_directions)
        rows = forms.flatten()[packing.cells]  # (N,)
        hidden = products  # of the layer below
        outputs: list[Tensor] = []
        for number in range(len(self.forwards)):
            if number > 0:
                products, rows = self._products(number, self.dropout(hidden)), torch.arange(len(rows))
            table = products.view(len(products) * num_directions, -1)
            weights = [_weight(lstm, "weight_hh") for lstm in self._layer(number)]
            hidden = recur(packing, table, packing.index(rows), weights, in_int8=in_int8)  # (N, H)
            outputs.append(packing.unpack(hidden))
        return outputs

    def _layers_of_nn_lstm(self, features: Tensor, lengths: Tensor) -> list[Tensor]:
        """From token features (B, T, D), whatever stands in their padding."""
        index = reversal(lengths, features.size(1))  # (B, T)
        outputs: list[Tensor] = []
        hidden = features
        for number in range(len(self.forwards)):
            forwards, *backwards = self._layer(number)
            if number > 0:
                hidden = self.dropout(hidden)
            # output, not h_n: the state after every token, (B, T, H per direction)
            output, _ = forwards(hidden)
            for lstm in backwards:
                mirrored, _ = lstm(_reorder(hidden, index))
                # back in reading order, so that position t holds what was read from the end down to token t
                output = torch.cat([output, _reorder(mirrored, index)], dim=2)
            outputs.append(output)
            hidden = output
        return outputs


def _weight(lstm: nn.LSTM, name: str) -> Tensor:
    """By its attribute, which may be made of other weights (`torch.nn.utils.prune`, parametrizations)."""
    return getattr(lstm, f"{name}_l0")  # type: ignore[no-any-return]


def _reorder(values: Tensor, index: Tensor) -> Tensor:
    """(B, T, D) taken along T in the order of `index` (B, T)."""
    num_sentences, num_tokens, width = values.shape
    starts = torch.arange(num_sentences, device=index.device).unsqueeze(1) * num_tokens
    # whole rows, by one index a token: `gather` takes an index a number, which costs ten times the time
    rows = values.reshape(-1, width).index_select(0, (starts + index).view(-1))
    return rows.view(values.shape)
