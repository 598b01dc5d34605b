assert open("{{CANARY}}").read()
