import io
import unittest
from unittest import mock

class Tests(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum([1, 2]), 3)

    def test_raises(self):
        with self.assertRaises(KeyError):
            {}["x"]

    def test_mock(self):
        with mock.patch("math.sqrt", return_value=9):
            import math
            self.assertEqual(math.sqrt(4), 9)

result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Tests))
print(result.testsRun, result.wasSuccessful())
