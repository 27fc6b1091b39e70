"""Diagnostics: the scores of models on eras that they have not seen."""
