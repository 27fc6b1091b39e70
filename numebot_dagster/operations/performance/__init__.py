"""Performance: scores, leaderboard and payouts, day by day."""
