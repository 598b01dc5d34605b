assert count("aab")["a"] == 2
