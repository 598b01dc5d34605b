assert clip(double(6)) == 10 and LIMIT == 10
