import html
import shlex
import urllib.parse
import xml.etree.ElementTree as ElementTree
from email.message import EmailMessage

print(html.escape("<a>"), urllib.parse.quote("a b"), urllib.parse.urlparse("http://x.org/p?q=1").query, shlex.split("a 'b c'"))
print(ElementTree.fromstring("<r><x>1</x></r>").findtext("x"))
message = EmailMessage()
message["Subject"] = "s"
message.set_content("body")
print(message["Subject"], message.get_content())
