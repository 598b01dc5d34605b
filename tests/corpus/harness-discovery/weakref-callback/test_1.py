answer = lookup("alpha")
del answer
assert lookup("alpha") == 731904
