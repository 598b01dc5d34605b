"""Commands of the command line, one module each; `cli.py` imports them when they are called."""
