import difflib
import string
import textwrap

print(string.ascii_lowercase[:3], string.Template("$x!").substitute(x=1), string.capwords("a b"))
print(textwrap.fill("aaa bbb ccc", 7).replace("\n", "/"), textwrap.dedent("  x").strip(), "x".center(5, "*"))
print(f"{3.14159:.2f} {1234567:,} {255:#x} {'a':>3} {0.5:.0%} {7:03d} {1e-7!r} {'q'!r:>5}")
print("a-b".partition("-"), "%s %5.1f" % ("x", 2.25), "abc".translate(str.maketrans("a", "z")), difflib.get_close_matches("appel", ["ape", "apple"]))
