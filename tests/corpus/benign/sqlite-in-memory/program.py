import sqlite3

for where in (":memory:", "file.db"):
    db = sqlite3.connect(where)
    db.execute("create table t (x integer, y text)")
    db.executemany("insert into t values (?, ?)", [(1, "a"), (2, "b")])
    db.commit()
    print(db.execute("select sum(x), group_concat(y) from t").fetchone())
    db.close()
