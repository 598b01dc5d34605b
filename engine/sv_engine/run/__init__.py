"""The self-play loop: its journal, its doors, its summary."""
