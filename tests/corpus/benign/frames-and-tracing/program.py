import sys

lines = []

def tracer(frame, event, argument):
    if event == "line":
        lines.append(frame.f_lineno - frame.f_code.co_firstlineno)
    return tracer

def f():
    x = 1
    return sys._getframe().f_code.co_name + str(x)

sys.settrace(tracer)
print(f())
sys.settrace(None)
print([line for line in lines if line in (1, 2)])
