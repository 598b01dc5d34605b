import logging
import traceback
import warnings

warnings.simplefilter("always")
while True:
    logging.error("x" * 1000)
    warnings.warn("x" * 1000)
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc()
