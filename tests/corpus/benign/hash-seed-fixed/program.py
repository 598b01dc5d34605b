print(hash("a") == hash("a"), sorted({"x", "y", "z"}), len({1, 1.0, True}))
