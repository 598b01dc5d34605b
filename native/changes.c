/* changes.c - whether containers are what they were.
 *
 * Items are compared by identity: they may be anybody's, and their `==` must not run.
 */
#include "codec.h"

#include <string.h>

/* A dict as a tuple of key, value, key, value. New reference, or NULL with an exception. */
static PyObject *flat_dict(PyObject *dict)
{
    PyObject *items = PyTuple_New(2 * PyDict_Size(dict)), *key, *value;
    Py_ssize_t at = 0, room = items == NULL ? 0 : PyTuple_Size(items), filled = 0;
    if (items == NULL)
        return NULL;
    for (; filled < room && PyDict_Next(dict, &at, &key, &value); filled += 2)
        if (PyTuple_SetItem(items, filled, Py_NewRef(key)) != 0 ||
            PyTuple_SetItem(items, filled + 1, Py_NewRef(value)) != 0)
            goto failed;
    if (filled == room && PyDict_Size(dict) * 2 == room)
        return items;
    PyErr_SetString(PyExc_RuntimeError, "a dict changed while it was read"); /* by a finalizer */
failed:
    Py_DECREF(items);
    return NULL;
}

PyObject *sv_contents(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyList_Type)
        return PyList_AsTuple(object);
    if (type == &PyDict_Type)
        return flat_dict(object);
    if (type == &PySet_Type || type == &PyFrozenSet_Type)
        return PySequence_Tuple(object);
    if (type == &PyByteArray_Type)
        return PyBytes_FromStringAndSize(PyByteArray_AsString(object), PyByteArray_Size(object));
    return NULL;
}

static bool list_differs(PyObject *list, PyObject *seen)
{
    Py_ssize_t n = PyTuple_Size(seen);
    if (n != PyList_Size(list))
        return true;
    for (Py_ssize_t i = 0; i < n; i++)
        if (PyList_GetItem(list, i) != PyTuple_GetItem(seen, i))
            return true;
    return false;
}

static bool dict_differs(PyObject *dict, PyObject *seen)
{
    Py_ssize_t n = PyTuple_Size(seen), at = 0;
    PyObject *key, *value;
    if (n != 2 * PyDict_Size(dict))
        return true;
    for (Py_ssize_t i = 0; i < n && PyDict_Next(dict, &at, &key, &value); i += 2)
        if (key != PyTuple_GetItem(seen, i) || value != PyTuple_GetItem(seen, i + 1))
            return true;
    return false;
}

/* 1 if the container differs from its snapshot, 0 if not, -1 with an exception. Items are compared by
 * identity: their own `==` must not run. */
static int differs(PyObject *object, PyObject *seen)
{
    PyTypeObject *type = Py_TYPE(object);
    if (Py_TYPE(seen) == &PyTuple_Type && type == &PyList_Type)
        return list_differs(object, seen);
    if (Py_TYPE(seen) == &PyTuple_Type && type == &PyDict_Type)
        return dict_differs(object, seen);
    if (Py_TYPE(seen) == &PyTuple_Type && type == &PySet_Type) {
        if (PySet_Size(object) != PyTuple_Size(seen))
            return 1;
        PyObject *now = PySequence_Tuple(object);
        if (now == NULL)
            return -1;
        bool same = PyTuple_Size(now) == PyTuple_Size(seen);
        for (Py_ssize_t i = 0; same && i < PyTuple_Size(now); i++)
            same = PyTuple_GetItem(now, i) == PyTuple_GetItem(seen, i);
        Py_DECREF(now);
        return !same;
    }
    if (Py_TYPE(seen) == &PyBytes_Type && type == &PyByteArray_Type) {
        Py_ssize_t n = PyByteArray_Size(object);
        return n != PyBytes_Size(seen) ||
               memcmp(PyByteArray_AsString(object), PyBytes_AsString(seen), (size_t)n) != 0;
    }
    return 0;
}

PyObject *sv_snapshot(PyObject *self, PyObject *containers)
{
    (void)self;
    PyObject *result = sv_is_list(containers) ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; result != NULL && i < PyList_Size(containers); i++) {
        PyObject *seen = sv_contents(PyList_GetItem(containers, i));
        if (seen == NULL && !PyErr_Occurred())
            seen = Py_NewRef(Py_None);
        if (seen == NULL || PyList_Append(result, seen) != 0)
            Py_CLEAR(result);
        Py_XDECREF(seen);
    }
    return result;
}

PyObject *sv_changed(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count != 2 || !sv_is_list(args[0]) || !sv_is_list(args[1]))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "changed(containers, seen)");
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < PyList_Size(args[0]) && i < PyList_Size(args[1]); i++) {
        int r = differs(PyList_GetItem(args[0], i), PyList_GetItem(args[1], i));
        if (r == 0)
            continue;
        PyObject *number = r < 0 ? NULL : PyLong_FromSsize_t(i);
        if (number == NULL || PyList_Append(result, number) != 0)
            Py_CLEAR(result);
        Py_XDECREF(number);
    }
    return result;
}
