"""Scores, payouts, reputations and ranks of all participants."""
