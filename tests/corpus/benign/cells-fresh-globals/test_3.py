assert visit(3) == 3 and visit(4) == 6
