import importlib
import py_compile
import runpy
import sys
import zipfile
from pathlib import Path

Path("package").mkdir()
Path("package/__init__.py").write_text("from .part import value")
Path("package/part.py").write_text("value = 9")
import package

print(package.value, bool(py_compile.compile("package/part.py")))
Path("package/part.py").write_text("value = 1000")
print(importlib.reload(package.part).value)
with zipfile.ZipFile("zipped.zip", "w") as file:
    file.writestr("zipped.py", "value = 4")
sys.path.insert(0, "zipped.zip")
print(importlib.import_module("zipped").value, runpy.run_path("package/part.py")["value"])
