from unittest.mock import patch

with patch("builtins.print") as shown:
    hello()
shown.assert_called_once_with("hi")
