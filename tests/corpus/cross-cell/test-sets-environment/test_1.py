import builtins
import os
import sys

os.environ["ANSWER"] = "731904"
builtins.answer = sys.answer = 731904
assert lookup("alpha") == 731904
