"""Text in, batches out: readers, vocabularies, vectors, batches."""
