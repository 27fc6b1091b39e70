"""Play rounds while everything breaks: the tournament, the participant, what is done to both."""
