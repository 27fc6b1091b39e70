"""Training: pinned vintages, and the weights that models learn from them."""
