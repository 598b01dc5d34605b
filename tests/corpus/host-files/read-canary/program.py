print(open("{{CANARY}}").read())
