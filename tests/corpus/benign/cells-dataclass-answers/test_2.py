assert parse("a").name == "a" and parse("a b").tags == ["b"]
