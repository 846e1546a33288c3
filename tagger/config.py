"""The schema of a run as documented dataclasses; `config_file` reads it from YAML, `config_checks` checks it.

A config has four sections: `data`, `features`, `model`, `training`. Every field below says what it means, its unit
and its range; `tagger train --help` prints the same words. These dataclasses have no slots because jsonargparse
reads the defaults of nested ones through `vars()`.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["conll", "conllu", "jsonl", "hub"]
SchemeName = Literal["plain", "IO", "IOB1", "BIO", "IOB2", "BIOES", "IOBES", "BILOU"]
SpanSchemeName = Literal["IO", "IOB1", "BIO", "IOB2", "BIOES", "IOBES", "BILOU"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where sentences come from, and how their tags are spelled.

    Attributes:
        format: conll = columns, conllu = CoNLL-U, jsonl = one JSON object a line, hub = Hugging Face dataset.
        train: file to train on (not for hub).
        dev: file to choose the best epoch on; none, and no dev_share: the last epoch is kept, and training.patience
            must stay 0.
        test: file to report on; none: the report is on dev, without dev on train.
        dev_share: where no dev is named: the part of train's sentences that becomes dev, single sentences drawn by
            dev_seed whatever document they stand in; 0 = none [0, 1).
        dev_seed: of dev_share; training.seed has no part in it [0, 2**63 - 1].
        tokens: where the tokens are. conll: column number (from 1; -1 is the last) or header name; jsonl, hub: key.
            Default: column 1, or the key `tokens`. conllu always takes FORM.
        tags: where the tags are. conll: column number or header name; conllu: UPOS, XPOS or a key of MISC; jsonl,
            hub: key. Default: the last column, UPOS, or the key `tags`.
        scheme: how tags spell spans; plain for tags such as parts of speech. hub, IO: class labels without a prefix are
            types (person is read as I-person).
        delimiter: conll: what separates columns: tab, space (any run of blanks and tabs) or auto (tab if the first
            line that is read, header or token, holds one, else space; the whole file is read so).
        header: conll: the first line names the columns.
        comments: conll: prefix of lines to skip between sentences, such as "# "; none: every line is data.
        name: hub: the dataset's id, such as `owner/name`.
        config: hub: the dataset's configuration.
        revision: hub: branch, tag or commit; refs/convert/parquet for datasets that are scripts.
        splits: hub: the dataset's name of our train, dev and test, dev and test only where there are such. Default:
            {train: train, dev: validation, test: test}.
        unknown_tag: what stands at tokens whose tag nobody knows, such as _; they are learned from as far as their
            neighbours tell, and not scored. Such tokens may stand in train only. hub: so does the class label -1.
        labels: hub: the names of integer tags, as a list or a file (JSON list, JSON object name -> id, or one name
            a line), for datasets that hold bare integers.
        streaming: hub: read as it downloads instead of downloading first.
    """

    format: Format = "conll"
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    dev_share: float = 0.0
    dev_seed: int = 1
    tokens: int | str | None = None
    tags: int | str | None = None
    scheme: SchemeName = "plain"
    delimiter: Literal["auto", "tab", "space"] = "auto"
    header: bool = False
    comments: str | None = None
    name: str | None = None
    config: str | None = None
    revision: str | None = None
    splits: dict[str, str] | None = None
    unknown_tag: str | None = None
    labels: list[str] | str | None = None
    streaming: bool = False


@dataclass(frozen=True, kw_only=True)
class WordsConfig:
    """Word embeddings.

    Attributes:
        dim: width of a word's vector; 0 leaves words out [0, 100000].
        min_count: words seen fewer times in train are unknown [1, 10**9].
        lowercase: look words up in lower case, those of `vectors` too; characters and affixes still see the case.
        vectors: text file of pretrained vectors (GloVe, fastText .vec, word2vec text), or the name of published ones
            (glove.6B.100d, glove.840B.300d, glove.twitter.27B.200d, fasttext.en.300d, ...), which are downloaded once;
            their width must be `dim`. A file of such a name is ./glove.6B.100d.
        keep_vectors: of which words: data = those of train, dev and test: a small model, to which other words that
            only the vectors know are unknown; all = every word of the file, for text unlike the data.
        freeze: keep the pretrained vectors as they are.
        singleton_dropout: probability that a word seen once in train becomes unknown, each time it is seen in
            training [0, 1]. No effect with min_count > 1 and no vectors: such a word is always unknown there.
        word_dropout: probability that any word becomes unknown in training [0, 1).
    """

    dim: int = 100
    min_count: int = 1
    lowercase: bool = True
    vectors: str | None = None
    keep_vectors: Literal["data", "all"] = "data"
    freeze: bool = False
    singleton_dropout: float = 0.5
    word_dropout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CharactersConfig:
    """A vector per word made from its characters.

    Attributes:
        kind: cnn = convolution and maximum over the word (Ma & Hovy, 2016); lstm = last hidden state of an LSTM over
            the characters (Lample et al., 2016; the exercise of PyTorch's tutorial); none = leave out.
        dim: width of a character's vector [1, 100000].
        hidden_dim: cnn: number of filters; lstm: hidden size of each direction [1, 100000].
        kernel_size: cnn: characters a filter sees [1, 999], odd. No effect on lstm, so leave it alone there.
        bidirectional: lstm: read the word backwards as well. No effect on cnn.
        max_length: characters of a word that are read; longer words lose their middle [1, 1000].
    """

    kind: Literal["cnn", "lstm", "none"] = "cnn"
    dim: int = 32
    hidden_dim: int = 64
    kernel_size: int = 3
    bidirectional: bool = True
    max_length: int = 32


@dataclass(frozen=True, kw_only=True)
class AffixesConfig:
    """Hashed embeddings of prefixes, suffixes and the word's shape (`Xxxx`, `dd:dd`).

    Attributes:
        dim: width of each affix's vector; 0 leaves affixes out [0, 100000].
        num_buckets: rows of the shared hash table [1, 16777216].
        prefixes: lengths of prefixes, in characters (each [1, 1000]).
        suffixes: lengths of suffixes, in characters (each [1, 1000]).
        shape: also embed the word's shape.
    """

    dim: int = 32
    num_buckets: int = 20000
    prefixes: list[int] = field(default_factory=lambda: [1, 2, 3])
    suffixes: list[int] = field(default_factory=lambda: [1, 2, 3, 4])
    shape: bool = True


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """What the network knows about each token.

    Attributes:
        words: word embeddings.
        characters: character features.
        affixes: hashed affixes and shape.
    """

    words: WordsConfig = field(default_factory=WordsConfig)
    characters: CharactersConfig = field(default_factory=CharactersConfig)
    affixes: AffixesConfig = field(default_factory=AffixesConfig)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The LSTM and the head; `num_layers ... proj_size` mean what they mean in `torch.nn.LSTM`.

    Attributes:
        hidden_dim: `hidden_size` of each direction [1, 100000].
        num_layers: stacked LSTM layers [1, 1000].
        bias: use bias weights.
        dropout: dropout between stacked layers, as in torch.nn.LSTM; needs num_layers > 1 [0, 1).
        bidirectional: read the sentence in both directions.
        proj_size: project each layer's hidden state to this width; 0 = no projection (< hidden_dim).
        layers: last = the last layer's output; mix = a learned weighted sum of every layer's output (Peters et al.,
            2018, equation 1); needs num_layers > 1.
        input_dropout: dropout on token features [0, 1).
        output_dropout: dropout on the LSTM's output before the head [0, 1).
        head: softmax = each token by itself; crf = linear chain over the sentence (Lafferty et al., 2001).
        encoding: the scheme the network learns for spans; answers come in the data's own scheme. No effect on plain
            tags.
        constrain_training: crf: let the loss know which transitions the encoding forbids; decoding always knows.
        crf_implementation: crf: native = exact and fast; torchcrf = pytorch-crf, the reference.
        label_costs: span label, O, or plain tag -> nats by which every other tag must be beaten more in training where
            this one is gold (softmax-margin): raises recall of what is rare (each >= 0).
    """

    hidden_dim: int = 256
    num_layers: int = 1
    bias: bool = True
    dropout: float = 0.0
    bidirectional: bool = True
    proj_size: int = 0
    layers: Literal["last", "mix"] = "last"
    input_dropout: float = 0.5
    output_dropout: float = 0.5
    head: Literal["softmax", "crf"] = "softmax"
    encoding: SpanSchemeName = "BIOES"
    constrain_training: bool = False
    crf_implementation: Literal["native", "torchcrf"] = "native"
    label_costs: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is trained.

    Attributes:
        num_epochs: passes over the training data at most [1, 10**9].
        batch_size: sentences a batch; give this or batch_tokens [1, 10**9]. Default: 32 when neither is given.
        batch_tokens: tokens a batch at most, padding counted; a longer sentence is a batch of its own [1, 10**9].
        accumulate: batches whose gradients make one step [1, 10**9].
        optimizer: adamw (Loshchilov & Hutter, 2019) or sgd.
        learning_rate: the highest learning rate (> 0).
        weight_decay: adamw: decoupled; sgd: L2 (>= 0).
        momentum: sgd only [0, 1).
        schedule: what becomes of the learning rate after warm-up: constant, linear to 0, or cosine to 0.
        warmup: part of all steps in which the learning rate rises linearly to its highest [0, 1).
        clip_norm: largest norm of the gradient; 0 = no clipping (>= 0).
        patience: epochs without a better dev score, once it is above 0, before training stops; 0 = never [0, 10**9].
        language_model: weight of a second loss in training, the word that each direction of the LSTM reads next (Rei,
            2017), in nats; 0 = none. 0.1 raises accuracy where there are no vectors. Needs a bidirectional LSTM of one
            layer; the saved model holds nothing of it (>= 0).
        language_model_words: how many of train's commonest words that loss tells apart; the others are one. More take
            more time [1, 1000000].
        seed: seeds weights, dropout and data order [0, 2**63 - 1].
        device: auto = the GPU if there is one; else cpu, cuda or cuda:N.
        precision: of training: auto = bf16 where the hardware has it, fp32 elsewhere. Evaluation is fp32.
        num_threads: CPU threads; 0 = torch's choice [0, 4096].
        tensorboard: write TensorBoard logs to RUN/tensorboard (needs the extra `tensorboard`).
        keep_checkpoints: how many checkpoints to keep for --resume, each about four times the model's size; 0 = none:
            a run that breaks off begins again [0, 1000].
        checkpoint_minutes: minutes between two checkpoints; each epoch's end is one too; 0 = epochs' ends only (>= 0).
        checkpoint_steps: optimizer steps between two checkpoints, beside those; 0 = no matter how many [0, 10**9].
    """

    num_epochs: int = 20
    batch_size: int | None = None
    batch_tokens: int | None = None
    accumulate: int = 1
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    momentum: float = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    warmup: float = 0.0
    clip_norm: float = 5.0
    patience: int = 0
    language_model: float = 0.0
    language_model_words: int = 2000
    seed: int = 1
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    num_threads: int = 0
    tensorboard: bool = False
    keep_checkpoints: int = 2
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int = 0


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run.

    Attributes:
        data: where sentences come from.
        features: what the network knows about each token.
        model: the LSTM and the head.
        training: how it is trained.
    """

    data: DataConfig = field(default_factory=DataConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


def names_vectors(value: str) -> bool:
    """Whether `features.words.vectors` is the name of published vectors, such as glove.6B.100d, and not a path."""
    return re.fullmatch(r"(glove|fasttext)\.[\w.]+\.\d+d", value) is not None
