import contextlib
import io

out = io.StringIO()
with contextlib.redirect_stdout(out):
    assert greet("ann") == 3
assert out.getvalue() == "hello ann\n"
