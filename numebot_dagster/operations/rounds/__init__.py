"""A round: fetched, predicted, submitted, confirmed, and followed until it closes."""
