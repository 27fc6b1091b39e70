"""Rounds: noticing them, their details and their live data."""
