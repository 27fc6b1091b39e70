"""One chain of assets per registered model, and the step that plays a round."""
