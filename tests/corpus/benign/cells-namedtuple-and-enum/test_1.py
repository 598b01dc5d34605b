assert make("point") == (1, 2) and make("point").x == 1 and make("point")[1] == 2
