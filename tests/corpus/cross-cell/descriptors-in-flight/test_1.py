assert lookup("alpha") == 731904
