print(open("{{PROJECT}}/pyproject.toml").read())
