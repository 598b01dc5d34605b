assert all(1 <= roll() <= 6 for _ in range(50))
