"""One iteration's play: completions in, pass matrices out, as a stream."""
