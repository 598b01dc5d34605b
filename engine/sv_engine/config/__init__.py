"""What a run is told: the sections of a configuration, and the layers they are read from."""
