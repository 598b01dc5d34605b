/* The floor: what a cell costs when it is forked and nothing else is done for it.
 *
 * floor.run(solution, tests, per_fork, limit_s) -> bytes, one byte per test: 1 for a pass.
 *
 * A raw clone (no at-fork hooks of Python's) of this interpreter for every `per_fork` tests. The child
 * sets the limits that the sandbox sets, compiles the solution once, executes it afresh for every test,
 * and puts its answers into shared memory. An interval timer bounds each test; it is Python's handler
 * of SIGALRM that ends it, so a test in C code ends by the child's CPU limit, and its fork with it.
 * No jail, no check of anything: a figure to divide by, never a way to run a program.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int limit(int what, rlim_t value)
{
    const struct rlimit both = {value, value};
    return setrlimit(what, &both);
}

static int arm(double seconds)
{
    const struct itimerval timer = {
        .it_value = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)}};
    return setitimer(ITIMER_REAL, &timer, NULL);
}

static PyObject *namespace_of_a_program(void)
{
    PyObject *names = PyDict_New();
    PyObject *name = PyUnicode_FromString("solution");
    if (names == NULL || name == NULL ||
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) != 0 ||
        PyDict_SetItemString(names, "__name__", name) != 0)
        Py_CLEAR(names);
    Py_XDECREF(name);
    return names;
}

/* Whether the code ran to its end. */
static int execute(PyObject *code, PyObject *names)
{
    PyObject *result = code == NULL ? NULL : PyEval_EvalCode(code, names, names);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    return result != NULL;
}

static int passes(PyObject *solution, const char *test, double limit_s)
{
    PyObject *names = namespace_of_a_program();
    if (names == NULL || arm(limit_s) != 0)
        return 0;
    int passed = execute(solution, names);
    if (passed) {
        PyObject *code = Py_CompileString(test, "<test>", Py_file_input);
        passed = execute(code, names);
        Py_XDECREF(code);
    }
    /* A timer that goes off now finds a handler that raises: that is a test out of time, too. */
    if (arm(0) != 0 || PyErr_CheckSignals() != 0) {
        PyErr_Clear();
        passed = 0;
    }
    Py_DECREF(names);
    return passed;
}

static void child(const char *text, PyObject *tests, Py_ssize_t first, Py_ssize_t end, double limit_s,
                  char *passed)
{
    if (limit(RLIMIT_AS, 4UL << 30) != 0 || limit(RLIMIT_FSIZE, 1 << 20) != 0 ||
        limit(RLIMIT_CORE, 0) != 0 ||
        limit(RLIMIT_CPU, 1 + (rlim_t)(limit_s * (double)(end - first) + 0.999)) != 0 || setsid() < 0)
        _exit(2);
    PyObject *solution = Py_CompileString(text, "<solution>", Py_file_input);
    if (solution == NULL)
        _exit(1);
    for (Py_ssize_t t = first; t < end; t++)
        passed[t] = (char)passes(solution, PyBytes_AsString(PyList_GET_ITEM(tests, t)), limit_s);
    _exit(0);
}

static PyObject *run(PyObject *self, PyObject *args)
{
    const char *solution;
    PyObject *tests;
    Py_ssize_t per_fork;
    double limit_s;
    (void)self;
    if (!PyArg_ParseTuple(args, "yO!nd", &solution, &PyList_Type, &tests, &per_fork, &limit_s))
        return NULL;
    const Py_ssize_t count = PyList_GET_SIZE(tests);
    if (per_fork < 1 || count < 1) {
        PyErr_SetString(PyExc_ValueError, "nothing to run");
        return NULL;
    }
    for (Py_ssize_t t = 0; t < count; t++)
        if (PyBytes_AsString(PyList_GET_ITEM(tests, t)) == NULL)
            return NULL;
    char *passed = mmap(NULL, (size_t)count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (passed == MAP_FAILED)
        return PyErr_SetFromErrno(PyExc_OSError);
    for (Py_ssize_t first = 0; first < count; first += per_fork) {
        const Py_ssize_t end = first + per_fork < count ? first + per_fork : count;
        const long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0)
            child(solution, tests, first, end, limit_s, passed);
        if (pid < 0) {
            (void)munmap(passed, (size_t)count);
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        int status = 0;
        while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    PyObject *found = PyBytes_FromStringAndSize(passed, count);
    (void)munmap(passed, (size_t)count);
    return found;
}

static PyMethodDef methods[] = {{"run", run, METH_VARARGS, "See the head of floor.c."},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "floor", NULL, -1, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_floor(void);
PyMODINIT_FUNC PyInit_floor(void)
{
    return PyModule_Create(&module);
}
