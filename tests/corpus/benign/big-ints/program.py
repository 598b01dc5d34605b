n = 2**3000
print(len(str(n)), n % 1_000_007, pow(3, 10**18, 10**9 + 7), int("f" * 20, 16), (10**40 + 1).bit_length(), -7 // 2, -7 % 3)
print(pow(3, -1, 11), int.from_bytes(b"\x01\x00", "big"), (300).to_bytes(2, "little"))
