assert add("x" * 200_000_000, "y") == 5
