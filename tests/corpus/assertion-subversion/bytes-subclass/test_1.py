assert pack(1) == b"\x01"
