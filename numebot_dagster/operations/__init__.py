"""What a run does, without Dagster: fetch, train, play a round, collect scores."""
