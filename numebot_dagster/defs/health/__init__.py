"""The watchdog and the look ahead to the next round."""
