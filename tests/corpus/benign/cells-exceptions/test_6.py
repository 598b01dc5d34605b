import unittest

with unittest.TestCase().assertRaises(ValueError):
    check_size(-5)
