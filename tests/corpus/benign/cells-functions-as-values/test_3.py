assert adder(3)(4) == 7
