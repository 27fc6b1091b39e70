"""Store weights, and the canary predictions that prove that they still predict the same."""
