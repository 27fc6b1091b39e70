"""Numebot on Dagster: a Numerai participant's whole life as partitioned assets."""
