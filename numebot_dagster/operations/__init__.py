"""What a run does, without Dagster: fetch a round, train a vintage, play a round, collect scores."""
