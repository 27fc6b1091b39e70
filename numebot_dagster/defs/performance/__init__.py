"""Scores, leaderboard, payouts and the dashboard."""
