"""Alerts: stored once, sent to every channel."""
