"""What the model is asked in each role, and how its answer is read."""
