"""What objects of a solution may support, by the names of the methods without underscores."""

from __future__ import annotations

BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
INPLACE = [f"i{name}" for name in BINARY if name != "divmod"]
ORDER = ["lt", "le", "gt", "ge"]
LOOKS = (
    "neg pos abs invert getitem setitem delitem int float complex index round trunc floor ceil"
    " bytes reversed length_hint fspath"
).split()
OTHERS = "call len contains iter next bool enter exit aenter aexit aiter anext await".split()
PROTOCOLS = (*BINARY, *(f"r{name}" for name in BINARY), *INPLACE, *ORDER, *LOOKS, *OTHERS)
