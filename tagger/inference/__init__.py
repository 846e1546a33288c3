"""Prediction: saved models, the predictor, raw text."""
