from datetime import date, datetime, timedelta, timezone

moment = datetime(2024, 2, 28, 23, 30, tzinfo=timezone.utc)
print(moment + timedelta(hours=1), (date(2024, 3, 1) - date(2024, 2, 1)).days)
print(moment.strftime("%Y-%m-%d %A"), datetime.fromisoformat("2024-01-02T03:04:05+02:00").utcoffset())
print(datetime.fromtimestamp(0, timezone.utc).isoformat(), date(2024, 12, 30).isocalendar().week, datetime.strptime("5/1/24", "%d/%m/%y").date())
print(datetime.now() > datetime(2020, 1, 1))
