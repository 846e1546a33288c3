"""Runs the harnesses of training in this process: `python -m tests.faults short`, or kills, failures, interrupts.

One line of JSON each: what was done, what came out wrong, and the seconds it took.
"""

import json
import sys

from tests.faults import failures, interrupts, kills

if __name__ == "__main__":
    runs = {
        "short": lambda: [kills.run(3, 1), failures.run(every=45), interrupts.run(0)],
        "kills": lambda: [kills.run(60, 10)],
        "failures": lambda: [failures.run()],
        "interrupts": lambda: [interrupts.run(3)],
    }
    for figures in runs[sys.argv[1]]():
        sys.stdout.write(f"{json.dumps(figures)}\n")
