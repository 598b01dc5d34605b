print(open("../" * 40 + "{{CANARY}}").read())
