"""Evaluation: scores, and the report that shows them."""
