"""What rounds paid, what is at stake, and what could be staked."""
