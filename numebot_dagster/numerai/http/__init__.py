"""Send HTTP to Numerai within deadlines and rate limits, again where that helps."""
