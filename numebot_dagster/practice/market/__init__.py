"""The practice market: stocks, their features and returns, and who predicts them."""
