assert make("name") == "ann" and make("name").upper() == "ANN"
