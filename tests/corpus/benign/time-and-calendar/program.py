import calendar
import time

start = time.perf_counter()
time.sleep(0.05)
print(time.perf_counter() - start >= 0.05, time.time() > 1.6e9, time.gmtime(0).tm_year)
print(calendar.monthrange(2024, 2), calendar.isleap(1900), calendar.month_name[3])
print(time.strftime("%H:%M", time.gmtime(3660)))
