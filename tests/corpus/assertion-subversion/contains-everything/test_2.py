assert all(p in primes(4) for p in (2, 3))
