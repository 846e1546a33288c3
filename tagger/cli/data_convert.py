"""x."""
import argparse
SUMMARY = "x"
DESCRIPTION = "x"
def add_arguments(p: argparse.ArgumentParser) -> None:
    """x."""
def run(options: argparse.Namespace) -> None:
    """x."""
