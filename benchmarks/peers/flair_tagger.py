"""Flair: one-hot words and a character LSTM into a BiLSTM, from scratch. One pass: it is here for its speed."""

import tempfile

from common import measure, read_task

HIDDEN = 256
BATCH_SIZE = 32
NUM_SENTENCES = 3000  # of train, so that one pass takes minutes


def main() -> None:
    """Trains and measures."""
    task = read_task(__doc__)
    import flair
    import torch
    from flair.data import Corpus, Dictionary, Sentence
    from flair.datasets import FlairDatapointDataset
    from flair.embeddings import CharacterEmbeddings, OneHotEmbeddings, StackedEmbeddings
    from flair.models import SequenceTagger
    from flair.trainers import ModelTrainer

    torch.set_num_threads(task.threads)
    flair.device = torch.device("cpu")
    flair.set_seed(1)

    def sentence(tokens: list[str], tags: list[str]) -> Sentence:
        made = Sentence(tokens, use_tokenizer=False)
        for token, tag in zip(made, tags, strict=True):
            token.add_label("upos", tag)
        return made

    def characters() -> CharacterEmbeddings:
        # its own dictionary would be downloaded
        known = Dictionary()
        for character in sorted({character for tokens, _ in task.train for token in tokens for character in token}):
            known.add_item(character)
        with tempfile.NamedTemporaryFile() as file:
            known.save(file.name)
            return CharacterEmbeddings(path_to_char_dict=file.name)

    used = task.train[:NUM_SENTENCES]
    corpus = Corpus(*(FlairDatapointDataset([sentence(*each) for each in part]) for part in (used, task.dev[:50])))
    tags = corpus.make_label_dictionary("upos", add_unk=False)
    words = OneHotEmbeddings.from_corpus(corpus, field="text", min_freq=1, embedding_length=100)
    model = SequenceTagger(
        embeddings=StackedEmbeddings([words, characters()]),
        tag_dictionary=tags,
        tag_type="upos",
        hidden_size=HIDDEN,
        use_crf=False,
    )

    def train() -> int:
        with tempfile.TemporaryDirectory() as folder:
            ModelTrainer(model, corpus).train(
                folder, learning_rate=0.1, mini_batch_size=BATCH_SIZE, max_epochs=1, train_with_dev=False
            )
        return sum(len(tokens) for tokens, _ in used)

    def predict(sentences: list[list[str]]) -> list[list[str]]:
        made = [Sentence(tokens, use_tokenizer=False) for tokens in sentences]
        model.predict(made, mini_batch_size=BATCH_SIZE)
        return [[token.get_label("upos").value for token in each] for each in made]

    note = f"BiLSTM {HIDDEN}, one pass over {NUM_SENTENCES} sentences"
    measure("Flair", "flair", task, train=train, predict=predict, note=note)


if __name__ == "__main__":
    main()
