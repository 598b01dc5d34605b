from unittest.mock import Mock

call = Mock()
run(call)
call.assert_called_once_with(5)
