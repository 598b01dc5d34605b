assert make("defaultdict") == {"a": [1]}
