"""Held-out evaluation, and the figures of tables and summaries."""
