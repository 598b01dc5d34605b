assert parse("2024-01-02").isoformat() == "2024-01-02T00:00:00"
