assert isinstance(float(total([0.5])), float) and total([0.5]) == 0.5
