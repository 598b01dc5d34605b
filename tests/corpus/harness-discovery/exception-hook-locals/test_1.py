try:
    lookup("alpha")
except Exception as error:
    str(error)
assert lookup("alpha") == 731904
