import random
import secrets

random.seed(42)
print(random.randint(1, 100), random.choice("abc"), random.sample(range(10), 3))
items = [1, 2, 3, 4]
random.Random(1).shuffle(items)
print(sorted(items), len(secrets.token_hex(8)), 0 <= random.random() < 1)
