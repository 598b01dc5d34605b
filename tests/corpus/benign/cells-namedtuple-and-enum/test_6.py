assert make("level") == Level.LOW and make("colour") == Colour.RED and make("point") == Point(1, 2)
