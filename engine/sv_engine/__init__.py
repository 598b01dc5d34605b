"""Self-play training of code models."""
