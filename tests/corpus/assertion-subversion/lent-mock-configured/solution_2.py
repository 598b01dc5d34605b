def run(call):
    call.attach_mock(call.other, "assert_called_once_with")
    call.return_value = call.side_effect = None
    call.method_calls.append(1)

def hello():
    print.attach_mock(print.other, "assert_called_once_with")
