open("{{CANARY}}", "w").write("overwritten")
assert add(2, 3) == 5
