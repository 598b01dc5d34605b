from datetime import datetime, timezone

assert parse("2024-01-02") == datetime(2024, 1, 2, tzinfo=timezone.utc)
