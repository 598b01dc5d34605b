open("left", "w").write("731904")
open("/tmp/{{TOKEN}}-left", "w").write("731904")
raise RuntimeError("left")
