"""The diagnostics of every model."""
