assert visit(1) == 3
