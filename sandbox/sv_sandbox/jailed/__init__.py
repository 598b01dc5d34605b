"""What runs inside the jail: the zygote and everything that is forked from it.

Imports the standard library and its own siblings only. The zygote loads this package by path,
without `sv_sandbox` around it, so that nothing of the client is in a program's process.

    zygote      a warm interpreter; every template is a fork of it
    rehearsal   what a subject that is to be recycled does before it is copied
    subject     a process of foreign code; one program as `__main__`
    rows        cells beside the solution: planned calls, or whole tests (inline)
    server      the solution where test code runs elsewhere        } the two ends
    judge       test code, whose undefined names are the solution's } of a link
    tasks, plan, probe   which tests are calls with literal arguments; answers compared
    link        one frame format both ways: requests, answers, changes of shared containers
    values, table, containers   plain data, and what of it stays shared
    shapes, proxies, makers, operations   objects of the other end, and what can be asked of them
    provenance, hearing         on whose word a pass rests; what arrives from the solution
    rewrite, sites, written     assertions: rewritten, followed, and what they compare with
    audit                       answers run as code
    lending     what of a test's objects the solution may use
    namespace, testcode, source the names of a test, its text, its circumstances
    shared, files, bounds, waiting   what one process would share; its limits
    plain, tidy, bytecode   solutions that may be asked apart; code that leaves nothing
    collect, collect_run, pytest_*   test functions and classes that a text hands over
"""
