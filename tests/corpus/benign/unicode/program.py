import unicodedata

größe = "Straße"
print(größe.upper(), größe.casefold(), "\N{SNOWMAN}", "\u00e9" == unicodedata.normalize("NFC", "e\u0301"))
print("日本語".encode("utf-8"), "日本語".encode("shift_jis").decode("shift_jis"), unicodedata.name("λ"))
print("naïve café".title(), "ﬁ".upper(), "İ".lower().encode())
print("\ud800".encode("utf-8", "surrogatepass"))
