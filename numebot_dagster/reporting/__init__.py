"""Figures and tables for the Dagster UI, the terminal and reports; nothing of Dagster."""
