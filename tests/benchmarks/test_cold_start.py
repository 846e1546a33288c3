import pytest

from benchmarks.cold_start import read_imports

REPORT = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 | site
import time:      2000 |       2000 |     numpy.core
import time:      1000 |       3000 |   numpy
import time:       500 |        500 |   torch._C
import time:      4000 |       7500 | torch
import time:        10 |         10 |     rich.console
import time:        30 |         40 |   rich
import time:        20 |         60 | tagger.cli
import time:         5 |          5 | torch.late
warning: something else
"""


def test_what_torch_imports_counts_as_torch_and_nothing_is_lost() -> None:
    seconds = read_imports(REPORT)
    assert seconds == pytest.approx({"site": 1e-4, "torch": 7505e-6, "rich": 4e-5, "tagger": 2e-5})
