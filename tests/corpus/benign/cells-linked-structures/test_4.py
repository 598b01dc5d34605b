assert reverse(None) is None
