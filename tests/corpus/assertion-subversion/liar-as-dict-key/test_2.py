assert stats([1, 2, 3])["total"] == 6
