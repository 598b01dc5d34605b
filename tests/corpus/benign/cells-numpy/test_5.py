import numpy as np

assert np.allclose(scale(np.array([0.5, 1.5])), [1.0, 3.0]) and scale(np.eye(2)).shape == (2, 2)
