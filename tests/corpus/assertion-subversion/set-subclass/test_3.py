assert primes(4).issuperset({2, 3})
