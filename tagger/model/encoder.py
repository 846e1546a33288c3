"""(Bi)LSTM over the sentence: the output at every token, of every layer -> (B, T, H).

Hochreiter & Schmidhuber (1997), "Long Short-Term Memory"; both directions: Graves & Schmidhuber (2005), "Framewise
Phoneme Classification with Bidirectional LSTM". `docs/lstm_outputs.md` explains what an LSTM returns.
"""

import warnings

import torch
from torch import Tensor, nn

from tagger.model.dropout import Dropout
from tagger.model.features import reversal

# On a CPU, PyTorch says once a process that projections take its slower path: its user can do nothing about that.
warnings.filterwarnings("ignore", message="LSTM with projections is not supported", category=UserWarning)


class LSTMEncoder(nn.Module):
    """A stack of single-layer LSTMs, each direction an LSTM of its own.

    `nn.LSTM(bidirectional=True)` over a padded batch lets the backward direction read the padding first, and packing
    the batch costs several times the time on a CPU. Here the backward LSTM runs forwards over each sentence reversed
    within its own length; padding stays on the right for both directions and is read last, so no real token ever sees
    it: exactly the packed result at the padded price. One module a layer also gives each layer's output.

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

    def layers(self, features: Tensor, lengths: Tensor) -> list[Tensor]:
        """The output of every layer at every token.

        Args:
            features: (B, T, D) token features; whatever stands in padding has no effect on real tokens.
            lengths: (B,) tokens of each sentence, each >= 1.

        Returns:
            For each layer, (B, T, H); values in padding mean nothing.
        """
        index = reversal(lengths, features.size(1))  # (B, T)
        outputs: list[Tensor] = []
        hidden = features
        for number, forwards in enumerate(self.forwards):
            if number > 0:
                hidden = self.dropout(hidden)
            # output, not h_n: the state after every token, (B, T, H per direction)
            output, _ = forwards(hidden)
            if self.backwards is not None:
                backwards, _ = self.backwards[number](_reorder(hidden, index))
                # back in reading order, so that position t holds what was read from the end down to token t
                output = torch.cat([output, _reorder(backwards, index)], dim=2)
            outputs.append(output)
            hidden = output
        return outputs

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Token features (B, T, D) and lengths (B,) -> the encoding of every token, (B, T, H)."""
        outputs = self.layers(features, lengths)
        if self.mix_weights is None or self.mix_scale is None:
            return outputs[-1]
        weights = torch.softmax(self.mix_weights, dim=0)  # (num_layers,) how much each layer counts; sums to 1
        mixed = (torch.stack(outputs, dim=-1) * weights).sum(dim=-1)  # (B, T, H)
        return mixed * self.mix_scale


def _reorder(values: Tensor, index: Tensor) -> Tensor:
    """(B, T, D) taken along T in the order of `index` (B, T)."""
    num_sentences, num_tokens, width = values.shape
    starts = torch.arange(num_sentences, device=index.device).unsqueeze(1) * num_tokens
    # whole rows, by one index a token: `gather` takes an index a number, which costs ten times the time
    rows = values.reshape(-1, width).index_select(0, (starts + index).view(-1))
    return rows.view(values.shape)
