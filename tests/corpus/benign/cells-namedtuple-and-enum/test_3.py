assert make("level") == 1 and make("level") < 2
