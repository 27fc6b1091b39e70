"""Operations of a participant, without Dagster: train, play a round, collect scores, watch."""
