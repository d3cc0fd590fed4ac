"""Real processes killed in the middle of real work."""
