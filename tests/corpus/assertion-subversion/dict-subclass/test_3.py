assert count("aab").get("b") == 1
