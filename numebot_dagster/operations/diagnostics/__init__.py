"""Diagnostics: how good a model is on eras that it has not seen."""
