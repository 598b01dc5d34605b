class Nothing(BaseException):
    pass

def add(a, b):
    raise Nothing
