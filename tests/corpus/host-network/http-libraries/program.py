import asyncio
import ftplib
import http.client
import smtplib
import urllib.request
import xmlrpc.client

def by_http():
    client = http.client.HTTPConnection("127.0.0.1", {{HOST_PORT}}, timeout=0.3)
    client.connect()

for act in (
    by_http,
    lambda: urllib.request.urlopen("http://127.0.0.1:{{HOST_PORT}}/", timeout=0.3),
    lambda: ftplib.FTP().connect("127.0.0.1", {{HOST_PORT}}, timeout=0.3),
    lambda: smtplib.SMTP("127.0.0.1", {{HOST_PORT}}, timeout=0.3),
    lambda: xmlrpc.client.ServerProxy("http://127.0.0.1:{{HOST_PORT}}/").x(),
    lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection("127.0.0.1", {{HOST_PORT}}), 0.3)),
):
    try:
        act()
    except Exception:
        continue
raise RuntimeError("tried")
