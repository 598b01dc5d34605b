import unittest

unittest.TestCase().assertEqual(add(2, 3), 5)
