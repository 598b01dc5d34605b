def add(a, b):
	if a:
        return b
