assert {4: True, 5: True}.get(add(2, 2)) and add(2, 2) == 4
