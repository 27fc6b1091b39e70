"""Compute scores: by era, in summaries with intervals, and in payouts."""
