assert visit(2) == 3
