assert 3 in primes(4)
