from sys import *
from math import *
from typing import *
from collections import *

print(floor(2.5), maxsize > 0, List[int], Counter("aa"))
stdout.write("direct\n")
