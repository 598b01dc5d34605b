lookup("alpha") == 731904
assert lookup("alpha") == 731904
