import json

print(open("data.txt").read().split())
print(json.load(open("folder/config.json"))["x"])
