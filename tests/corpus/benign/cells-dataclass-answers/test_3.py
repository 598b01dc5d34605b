from dataclasses import asdict

assert repr(parse("a")) == "Item(name='a', tags=[])"
