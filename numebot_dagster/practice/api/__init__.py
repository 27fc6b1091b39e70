"""The API of the practice tournament over HTTP."""
