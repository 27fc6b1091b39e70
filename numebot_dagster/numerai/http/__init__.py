"""HTTP to Numerai: bounded by deadlines, within its rate limits, tried again where that helps."""
