import locale

locale.setlocale(locale.LC_ALL, "C")
print(locale.format_string("%.2f", 1234.5), f"{1234.5:,.1f}", locale.getlocale()[0], "ä".encode())
