import fileinput

print([line.strip() for line in fileinput.input()])
