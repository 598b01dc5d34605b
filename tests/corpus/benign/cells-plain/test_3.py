assert same("é\x00") == "é\x00" and same(b"\xff") == b"\xff"
