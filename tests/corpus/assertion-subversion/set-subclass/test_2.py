assert primes(4) == {2, 3}
