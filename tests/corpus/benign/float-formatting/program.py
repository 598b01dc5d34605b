print(0.1 + 0.2, 1e16, 1e22, 123456789.123, round(2.5), round(-0.5), 1 / 3, float("inf"), -0.0)
print(f"{1e10:g} {0.00001234:e} {2/3:.3f}", (0.1).hex(), float("1_000.5"), 3.0 .is_integer())
