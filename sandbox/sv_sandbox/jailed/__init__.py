"""What runs inside the jail: the zygote and everything that is forked from it.

Imports the standard library and its own siblings only. The zygote loads this package by path,
without `sv_sandbox` around it, so that nothing of the client is in a program's process.

    zygote   a warm interpreter; every template is a fork of it
    subject  one row: cells under the inline judge, planned calls under the split judge, a program
    server   the solution under the split judge where test code runs
    judge    the split judge's other side: plans, comparisons, test code
    plan     which tests are one call with literal arguments
    testcode what the code of other tests says, read without running it
    remote   objects, classes and functions of the subject as test code sees them (in the judge)
    lend     which objects of the test's the solution may use, and how (in the judge)
    lent     those objects as the solution sees them (in the subject)
    channel  calls between judge and subject, and the containers that they share
    codec    the plain data that crosses, and nothing else
    about, protocols   what either end may ask of the other's functions, exceptions and objects
"""
