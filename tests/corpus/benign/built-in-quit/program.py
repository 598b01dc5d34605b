import getpass

print("done" if getpass.getuser() and callable(help) and copyright and license else "missing")
quit(0)
