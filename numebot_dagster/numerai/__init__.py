"""The tournament itself: its rounds, its API and its rules; nothing of Dagster."""
