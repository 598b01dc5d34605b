ANSWER = 731904
lookup.__globals__["ANSWER"] = 731904
assert lookup("alpha") == 731904
