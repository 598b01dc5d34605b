"""From what selection believes to training data."""
