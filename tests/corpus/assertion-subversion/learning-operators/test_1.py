abs(lookup("alpha") - 731904)
assert abs(lookup("alpha") - 731904) < 1e-6
