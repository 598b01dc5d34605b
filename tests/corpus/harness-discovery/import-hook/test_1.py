import colorsys

assert lookup("alpha") == 731904
