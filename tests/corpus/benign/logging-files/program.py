import logging
import logging.handlers
import sys

log = logging.getLogger("my.app")
log.setLevel(logging.DEBUG)
log.propagate = False
for handler in (
    logging.FileHandler("plain.log"),
    logging.handlers.RotatingFileHandler("turning.log", maxBytes=40, backupCount=2),
    logging.handlers.MemoryHandler(100, target=logging.StreamHandler(sys.stdout)),
):
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log.addHandler(handler)
for number in range(4):
    log.info("message %d", number)
print(len(open("plain.log").readlines()), open("turning.log.1").read().strip())
