METADATA = {"author": "x"}


def check(candidate):
    assert candidate([1.0, 2.0, 3.0], 0.5) == False
    assert candidate([1.0, 2.8, 3.0, 4.0], 0.3) == True, "This prints if it fails"
    assert True


check(has_close_elements)
