/* floor.c - the least that judging in a fork costs: clone, compile, execute, exit; in C, without a sandbox.
 *
 * Compiled and loaded by bench/recycling.py. `judge(solution, tests)` forks once, executes the solution
 * afresh for each of up to 7 tests, and gives the bits of those that passed. The raw call runs no at-fork
 * hook, and the child runs no Python of ours: what an executor written in Python does beside this is its
 * own.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int limit(int resource, rlim_t value)
{
    const struct rlimit wanted = {value, value};
    return setrlimit(resource, &wanted);
}

static PyObject *namespace(void)
{
    PyObject *names = PyDict_New();
    if (names != NULL && PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) != 0)
        Py_CLEAR(names);
    return names;
}

/* Executes what was compiled; whether it came to its end. Takes the reference to the code. */
static int execute(PyObject *code, PyObject *names)
{
    PyObject *result = code == NULL || names == NULL ? NULL : PyEval_EvalCode(code, names, names);
    const int ended = result != NULL;
    PyErr_Clear();
    Py_XDECREF(result);
    Py_XDECREF(code);
    return ended;
}

static _Noreturn void child(const char *solution, PyObject *tests)
{
    int passed = 0;
    if (limit(RLIMIT_AS, 4ul << 30) != 0 || limit(RLIMIT_CPU, 10) != 0 || limit(RLIMIT_FSIZE, 1 << 20) != 0 ||
        limit(RLIMIT_CORE, 0) != 0)
        _exit(128);
    PyObject *code = Py_CompileString(solution, "<solution>", Py_file_input);
    if (code == NULL)
        _exit(0);
    for (Py_ssize_t i = 0; i < PyList_Size(tests); i++) {
        PyObject *names = namespace();
        const char *test = PyBytes_AsString(PyList_GetItem(tests, i));
        if (execute(Py_NewRef(code), names) && execute(Py_CompileString(test, "<test>", Py_file_input), names))
            passed |= 1 << i;
        Py_XDECREF(names);
    }
    _exit(passed);
}

static PyObject *judge(PyObject *self, PyObject *args)
{
    (void)self;
    const char *solution;
    PyObject *tests;
    int status;
    if (!PyArg_ParseTuple(args, "yO!", &solution, &PyList_Type, &tests))
        return NULL;
    if (PyList_Size(tests) > 7)
        return PyErr_Format(PyExc_ValueError, "at most 7 tests");
    const pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (pid == 0)
        child(solution, tests);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return PyErr_SetFromErrno(PyExc_OSError);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 127)
        return PyErr_Format(PyExc_RuntimeError, "the child ended with status %d", status);
    return PyLong_FromLong(WEXITSTATUS(status));
}

static PyMethodDef methods[] = {
    {"judge", judge, METH_VARARGS, "judge(solution: bytes, tests: list of bytes) -> bits of the passed"},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "floor", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_floor(void);
PyMODINIT_FUNC PyInit_floor(void)
{
    return PyModule_Create(&module);
}
