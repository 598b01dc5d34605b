from datetime import datetime

assert make("datetime") == datetime(2024, 1, 2, 3, 4) and make("datetime").year == 2024
