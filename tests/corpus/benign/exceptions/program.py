class AppError(Exception):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code

def f(x):
    try:
        if x == 0:
            raise AppError(7)
        return 10 / (x - 1)
    except ZeroDivisionError as error:
        raise ValueError("bad") from error
    finally:
        print("finally", x)

for x in (0, 1, 2):
    try:
        print(f(x))
    except AppError as error:
        print(error, error.code)
    except ValueError as error:
        print(error, type(error.__cause__).__name__)
try:
    raise ExceptionGroup("g", [KeyError(1), TypeError("t")])
except* KeyError as group:
    print(len(group.exceptions))
except* TypeError:
    print("type")
