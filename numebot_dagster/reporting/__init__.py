"""Figures and tables for the Dagster UI and the terminal, from frames, without Dagster."""
