import configparser
import csv
import io
import json

print(json.dumps({"b": [1, None, True], "a": "é"}, sort_keys=True), json.loads("[1.5, {}]"))
rows = list(csv.DictReader(io.StringIO("a,b\n1,\"x,y\"\n")))
out = io.StringIO()
csv.writer(out).writerow([1, "p,q"])
print(rows, repr(out.getvalue()))
config = configparser.ConfigParser()
config.read_string("[s]\nk = 5\n")
print(config.getint("s", "k"))
