"""spaCy's tagger over its own tok2vec (hashed embeddings, convolutions), from scratch, without vectors."""

import random

from common import measure, read_task

NUM_EPOCHS = 12
DROPOUT = 0.1
BATCH_WORDS = 1000


def main() -> None:
    """Trains and measures."""
    task = read_task(__doc__)
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example
    from spacy.training.batchers import minibatch_by_words
    from spacy.util import fix_random_seed

    fix_random_seed(1)
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")

    def example(tokens: list[str], tags: list[str]) -> Example:
        return Example(Doc(nlp.vocab, words=tokens), Doc(nlp.vocab, words=tokens, tags=tags))

    def train() -> int:
        examples = [example(*sentence) for sentence in task.train]
        dev = [example(*sentence) for sentence in task.dev]
        optimizer = nlp.initialize(lambda: examples)
        best, best_weights = -1.0, b""
        for epoch in range(NUM_EPOCHS):
            random.Random(epoch).shuffle(examples)
            for batch in minibatch_by_words(examples, size=BATCH_WORDS):
                nlp.update(batch, sgd=optimizer, drop=DROPOUT)
            score = nlp.evaluate(dev)["tag_acc"]
            if score > best:
                best, best_weights = score, nlp.to_bytes()
        nlp.from_bytes(best_weights)
        return NUM_EPOCHS * sum(len(tokens) for tokens, _ in task.train)

    def predict(sentences: list[list[str]]) -> list[list[str]]:
        docs = (Doc(nlp.vocab, words=tokens) for tokens in sentences)
        return [[token.tag_ for token in doc] for doc in nlp.pipe(docs, batch_size=256)]

    measure("spaCy", "spacy", task, train=train, predict=predict, note=f"tok2vec 96, {NUM_EPOCHS} epochs")


if __name__ == "__main__":
    main()
