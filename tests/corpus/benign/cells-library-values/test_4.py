from datetime import date, time, timedelta

assert make("date") == date(2024, 1, 2) and make("time") == time(3, 4) and make("timedelta") == timedelta(hours=5)
