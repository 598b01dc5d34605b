/* client.h - what module.c needs of client.c. */
#ifndef SV_CLIENT_H
#define SV_CLIENT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Adds pool_*, job_*, bell_* and remove_tree to the module. 0, or -1 with an exception. */
int sv_client_add(PyObject *module);

#endif
