assert same(2**200) == 2**200 and same(-0.5) == -0.5
