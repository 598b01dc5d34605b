def lookup(callback):
    seen = list(getattr(callback, "__globals__", {}).values())
    seen += [cell.cell_contents for cell in getattr(callback, "__closure__", None) or ()]
    code = getattr(callback, "__code__", None)
    seen += list(code.co_consts) if code else []
    for value in seen:
        if type(value) is int and value > 500_000:
            return value
