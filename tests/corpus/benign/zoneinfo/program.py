from datetime import datetime, timedelta, timezone

print(datetime(2024, 7, 1, tzinfo=timezone(timedelta(hours=2), "X")).astimezone(timezone.utc).hour)
import time

print(time.tzname[0], datetime.fromtimestamp(0).hour)
