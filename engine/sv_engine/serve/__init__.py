"""`sv-engine serve`: the sandbox behind the HTTP interfaces that others already speak."""
