import importlib

NAMES = """abc argparse array ast asyncio base64 bdb binascii bisect bz2 calendar cmath cmd code codecs
codeop collections colorsys compileall concurrent.futures configparser contextlib contextvars copy
copyreg cProfile csv ctypes dataclasses datetime dbm decimal difflib dis doctest email encodings enum
errno faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc getopt getpass gettext
glob graphlib grp gzip hashlib heapq hmac html http.client http.server imaplib importlib.metadata
inspect io ipaddress itertools json keyword linecache locale logging.handlers lzma mailbox marshal math
mimetypes mmap modulefinder multiprocessing.pool netrc numbers operator optparse os pathlib pdb pickle
pkgutil platform plistlib poplib posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc queue
quopri random re readline reprlib resource runpy sched secrets select selectors shelve shlex shutil
signal site smtplib socket socketserver sqlite3 ssl stat statistics string stringprep struct subprocess
symtable sysconfig syslog tabnanny tarfile tempfile termios textwrap threading timeit token tokenize
tomllib trace traceback tracemalloc tty types typing unicodedata unittest.mock urllib.request uuid venv
warnings wave weakref webbrowser wsgiref.util xml.dom.minidom xml.etree.ElementTree xml.sax
xmlrpc.client zipapp zipfile zipimport zlib zoneinfo"""
for name in NAMES.split():
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:  # not in every build
        pass
print("all")
