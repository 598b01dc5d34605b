import logging
import sys
import traceback
import warnings

logging.basicConfig(stream=sys.stdout, format="%(levelname)s:%(message)s", level=logging.INFO)
logging.info("started %d", 1)
logging.debug("hidden")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("careful")
print(len(caught), caught[0].message)
try:
    1 / 0
except ZeroDivisionError:
    print(traceback.format_exc().splitlines()[-1])
