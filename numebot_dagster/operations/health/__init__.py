"""Health: what stands between the platform and the next round."""
