import numpy as np
import numpy.fft
import numpy.ma
import numpy.polynomial
import numpy.testing

print(np.fft.fft([1, 0, 0, 0]).real.tolist())
print(numpy.polynomial.Polynomial([1, 2, 3])(2))
print(np.ma.masked_greater([1, 5, 2], 3).sum())
numpy.testing.assert_allclose([1.0], [1.0 + 1e-12])
