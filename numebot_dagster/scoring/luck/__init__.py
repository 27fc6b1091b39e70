"""Say what can be said of a model while its rounds overlap: means, verdicts, curves and paths."""
