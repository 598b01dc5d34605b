print('before')
raise KeyError('x')
