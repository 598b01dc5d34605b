import faulthandler

faulthandler.enable()
print(faulthandler.is_enabled())
faulthandler.disable()
