assert tree(1) == {"value": [(1, {"x": 2})]}
