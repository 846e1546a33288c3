"""The one exception tree, and the exit code each branch ends the command line with.

    TaggerError            70  a defect of ours, if raised by itself
    ├── ConfigError         2  a setting or a command line; names the key
    ├── DataError          65  bad data; names file:line, or dataset/split/row
    ├── ModelError         65  a model folder that is damaged, foreign or too new
    ├── MissingInputError  66  a file, folder or repository that is not there
    └── OutputError        74  something that cannot be written

The codes are those of BSD's `sysexits.h`, with 2 for usage as in every shell tool.
"""


class TaggerError(Exception):
    """Anything tagger reports on purpose: one line that says where and what to do.

    Attributes:
        exit_code: the status the command line ends with.
    """

    exit_code: int = 70


class ConfigError(TaggerError):
    """A setting that cannot be used; the message names the file and the key."""

    exit_code = 2


class DataError(TaggerError):
    """Data that cannot be read as declared; the message names file:line, or dataset/split/row."""

    exit_code = 65


class ModelError(TaggerError):
    """A saved model that cannot be trusted: damaged, foreign, or of a newer format."""

    exit_code = 65


class MissingInputError(TaggerError):
    """An input that does not exist; the message names it."""

    exit_code = 66


class OutputError(TaggerError):
    """An output that cannot be written; the message names it."""

    exit_code = 74
