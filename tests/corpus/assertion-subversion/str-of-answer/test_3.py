assert f"{add(2, 3)}" == "5"
