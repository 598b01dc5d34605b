assert count("aab") == {"a": 2, "b": 1}
