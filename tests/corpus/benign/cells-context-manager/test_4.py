with Vector(1, 2) as v:
    assert v(1) == 2 and str(v) == "(1, 2)" and v.parts[0] == 1
