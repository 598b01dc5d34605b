assert np.isclose(add(2, 3), 5)
