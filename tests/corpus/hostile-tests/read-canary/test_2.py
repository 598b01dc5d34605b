import os

assert any("SECRET" in name for name in os.environ)
