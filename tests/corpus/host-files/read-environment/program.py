import os

secrets = {k: v for k, v in os.environ.items() if "SECRET" in k or "TOKEN" in k or "KEY" in k}
if not secrets:
    raise KeyError("held")
print(secrets)
