"""Serve the API of the practice tournament over HTTP."""
