"""Rounds: their assets, the step that plays them, and what requests their runs."""
