"""What runs inside the jail: the zygote and everything that is forked from it.

Imports the standard library and its own siblings only. The zygote loads this package by path,
without `sv_sandbox` around it, so that nothing of the client is in a program's process.

    zygote   a warm interpreter; every template is a fork of it
    subject  one row: cells under the inline judge, the solution under the split judge, or a program
    judge    the split judge's other side: plans, comparisons, test code behind stubs
    remote   those stubs: objects, classes and functions of the subject as test code sees them
    plan     which tests are one call with literal arguments
    channel  calls between judge and subject, and the containers that they share
    codec    the plain data that crosses, and nothing else
    about, protocols   what one end may learn of the other's functions and classes
"""
