"""A toolkit for sequence tagging."""
