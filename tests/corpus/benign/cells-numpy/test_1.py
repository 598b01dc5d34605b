import numpy as np

assert np.array_equal(scale([1, 2]), np.array([2, 4]))
