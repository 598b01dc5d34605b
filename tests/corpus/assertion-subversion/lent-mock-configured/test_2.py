from unittest.mock import MagicMock

call = MagicMock(return_value=3)
run(call)
assert call.call_count == 1
assert call.call_args.args == (5,)
