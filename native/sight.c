/* sight.c - what code is at sight: by its steps and its names alone (jailed/tidy.py, jailed/plain.py).
 *
 * In the subject, once per row, in the place of some hundred steps of Python's that would each write
 * the reference counts of what they touch, and so pages that are put back. The code is not run.
 */
#include "codec.h"

#include <string.h>

enum step { STRANGE, FINE, ATTRIBUTE, ATTRIBUTE_OR_METHOD, IMPORT, HANDLER }; /* `steps`, by opcode */

struct sight {
    PyObject *steps, *strange, *special, *methods, *modules;
    PyObject *waiting;       /* codes that are still to be seen */
    bool reads, has_methods; /* an attribute as a value, a method's name */
    bool has_private;        /* names that begin with one `_` are fine */
};

#define GENERATORS 0x2a0 /* of code: CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR */

/* Names of attributes by which frames are reached begin so. */
static const char frames[][4] = {"gi_", "cr_", "ag_", "tb_"};

/* 1: so it may be called. 0, or -1 with an exception. */
static int is_fine_name(struct sight *sight, PyObject *name)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL) { /* a lone surrogate */
        PyErr_Clear();
        return 0;
    }
    if (size != PyUnicode_GetLength(name) || memchr(text, '.', (size_t)size) != NULL)
        return 0;
    if (text[0] == '_' && text[strspn(text, "_")] != '\0') { /* `____` is a gap to fill */
        if (text[1] == '_')
            return PySet_Contains(sight->special, name);
        if (!sight->has_private || strncmp(text, "_sv_", 4) == 0)
            return 0;
    }
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        if (strncmp(text, frames[i], 3) == 0)
            return 0;
    int is_strange = PySet_Contains(sight->strange, name);
    int is_method = is_strange == 0 ? PySet_Contains(sight->methods, name) : 0;
    sight->has_methods |= is_method > 0;
    return is_strange < 0 || is_method < 0 ? -1 : !is_strange;
}

static int are_fine_names(struct sight *sight, PyObject *names)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(names); i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        int r = PyUnicode_Check(name) ? is_fine_name(sight, name) : 1;
        if (r != 1)
            return r;
    }
    return 1;
}

static int are_fine_steps(struct sight *sight, PyObject *code, PyObject *names, bool is_generator)
{
    const unsigned char *kinds = (const unsigned char *)PyBytes_AsString(sight->steps);
    const unsigned char *steps = (const unsigned char *)PyBytes_AsString(code);
    if (kinds == NULL || steps == NULL)
        return -1;
    for (Py_ssize_t i = 0; i + 1 < PyBytes_Size(code); i += 2) {
        unsigned char kind = kinds[steps[i]], argument = steps[i + 1];
        /* What a generator does at its end may come in another's time. */
        if (kind == STRANGE || (kind == HANDLER && is_generator))
            return 0;
        sight->reads |= kind == ATTRIBUTE || (kind == ATTRIBUTE_OR_METHOD && !(argument & 1));
        if (kind == IMPORT) {
            PyObject *name = PyTuple_Size(names) < 256 ? PyTuple_GetItem(names, argument) : NULL;
            PyErr_Clear();
            int r = name == NULL ? 0 : PySet_Contains(sight->modules, name);
            if (r != 1)
                return r;
        }
    }
    return 1;
}

/* Of constants: texts that are special names, names in tuples; codes are still to be seen. */
static int are_fine_constants(struct sight *sight, PyObject *constants, PyTypeObject *code)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(constants); i++) {
        PyObject *one = PyTuple_GetItem(constants, i);
        int r = 1;
        if (Py_TYPE(one) == code)
            r = PyList_Append(sight->waiting, one) == 0 ? 1 : -1;
        else if (PyTuple_Check(one))
            r = are_fine_names(sight, one);
        else if (PyUnicode_Check(one) && PyUnicode_GetLength(one) > 1)
            r = PyUnicode_ReadChar(one, 0) != '_' || PyUnicode_ReadChar(one, 1) != '_';
        if (r != 1)
            return r;
    }
    return 1;
}

static int is_fine(struct sight *sight, PyObject *code)
{
    PyObject *steps = PyObject_GetAttrString(code, "co_code");
    PyObject *names = steps == NULL ? NULL : PyObject_GetAttrString(code, "co_names");
    PyObject *constants = names == NULL ? NULL : PyObject_GetAttrString(code, "co_consts");
    PyObject *flags = constants == NULL ? NULL : PyObject_GetAttrString(code, "co_flags");
    int r = flags == NULL ? -1 : are_fine_names(sight, names);
    if (r == 1)
        r = are_fine_steps(sight, steps, names, (PyLong_AsLong(flags) & GENERATORS) != 0);
    if (r == 1)
        r = are_fine_constants(sight, constants, Py_TYPE(code));
    Py_XDECREF(steps);
    Py_XDECREF(names);
    Py_XDECREF(constants);
    Py_XDECREF(flags);
    return r;
}

PyObject *sv_at_sight(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count != 7 || !PyBytes_Check(args[1]) || PyBytes_Size(args[1]) != 256)
        return PyErr_Format(PyExc_TypeError, "at_sight(code, steps, strange, special, methods, modules, private)");
    struct sight sight = {.steps = args[1], .strange = args[2], .special = args[3], .methods = args[4],
                          .modules = args[5], .waiting = PyList_New(0), .has_private = args[6] == Py_True};
    int r = sight.waiting == NULL ? -1 : is_fine(&sight, args[0]);
    for (Py_ssize_t i = 0; r == 1 && i < PyList_Size(sight.waiting); i++)
        r = is_fine(&sight, PyList_GetItem(sight.waiting, i));
    Py_XDECREF(sight.waiting);
    return r < 0 ? NULL : PyBool_FromLong(r && !(sight.reads && sight.has_methods));
}
