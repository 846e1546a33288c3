"""Numbers of rows that come again.

oneDNN, which multiplies bf16 on a CPU, compiles a product for each size it meets, in half a millisecond and a megabyte
or two, and keeps a thousand of them. Every batch has sizes of its own; rounded up, they are soon known.
"""

ROWS = 32


def missing(num_rows: int) -> int:
    """How many rows there are to the next multiple of `ROWS`."""
    return -num_rows % ROWS
