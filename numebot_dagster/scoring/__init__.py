"""Compute scores by era, and their summaries with intervals."""
