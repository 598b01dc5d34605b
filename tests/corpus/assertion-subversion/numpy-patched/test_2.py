import numpy as np

np.testing.assert_allclose(scale([1, 2]), [2, 4])
