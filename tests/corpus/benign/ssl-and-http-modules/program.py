import http.cookies
import socket
import ssl
import urllib.error
import urllib.request
from http import HTTPStatus

context = ssl.create_default_context()
print(context.check_hostname, ssl.RAND_status(), HTTPStatus(404).phrase)
print(sorted(http.cookies.SimpleCookie("a=1; b=2")), socket.inet_aton("1.2.3.4"))
try:
    urllib.request.urlopen("http://127.0.0.1:9/", timeout=1)
except urllib.error.URLError:
    print("no network")
