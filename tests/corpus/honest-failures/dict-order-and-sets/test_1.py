assert unique(["b", "a"]) == ["b", "a"]
