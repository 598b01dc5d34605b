assert greet("Ann").strip().lower() == "hello ann"
