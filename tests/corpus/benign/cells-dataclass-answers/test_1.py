assert parse("a b c") == Item("a", ["b", "c"])
