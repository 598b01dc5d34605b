open("{{CANARY}}", "w").write("overwritten")
raise RuntimeError("written, or into a file of its own")
