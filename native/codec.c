/* codec.c - the codec's share of the module: its functions, its exceptions, what its files share. */
#include "codec.h"

PyObject *sv_codec_error, *sv_unencodable, *sv_signed;

bool sv_is_list(PyObject *object)
{
    if (PyList_Check(object))
        return true;
    PyErr_SetString(PyExc_TypeError, "a list is wanted here");
    return false;
}

void sv_forget_from(PyObject *containers, Py_ssize_t known)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    if (PyList_SetSlice(containers, known, PyList_Size(containers), NULL) != 0)
        PyErr_Clear(); /* the first error counts */
    PyErr_Restore(type, error, trace);
}

void *sv_grown(void *array, size_t used, size_t *room, size_t size)
{
    if (used < *room)
        return array;
    size_t more = *room == 0 ? 16 : 2 * *room;
    void *moved = PyMem_Realloc(array, more * size);
    if (moved == NULL)
        return PyErr_NoMemory();
    *room = more;
    return moved;
}

static PyMethodDef methods[] = {
    {"encode", (PyCFunction)(void (*)(void))sv_encode, METH_FASTCALL, NULL},
    {"decode", (PyCFunction)(void (*)(void))sv_decode, METH_FASTCALL, NULL},
    {"snapshot", sv_snapshot, METH_O, NULL},
    {"changed", (PyCFunction)(void (*)(void))sv_changed, METH_FASTCALL, NULL},
    {"at_sight", (PyCFunction)(void (*)(void))sv_at_sight, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

int sv_codec_add(PyObject *module)
{
    sv_codec_error = PyErr_NewException("_native.CodecError", PyExc_ValueError, NULL);
    sv_unencodable = PyErr_NewException("_native.Unencodable", PyExc_TypeError, NULL);
    sv_signed = Py_BuildValue("{s:O}", "signed", Py_True);
    if (sv_codec_error == NULL || sv_unencodable == NULL || sv_signed == NULL || sv_decode_ready() != 0)
        return -1;
    if (PyModule_AddObjectRef(module, "CodecError", sv_codec_error) != 0 ||
        PyModule_AddObjectRef(module, "Unencodable", sv_unencodable) != 0 ||
        PyModule_AddIntConstant(module, "NAN", FLOAT) != 0 ||
        PyModule_AddIntConstant(module, "SET", SET) != 0 ||
        PyModule_AddIntConstant(module, "FROZENSET", FROZENSET) != 0 ||
        PyModule_AddIntConstant(module, "MAX_DEPTH", MAX_DEPTH) != 0 ||
        PyModule_AddIntConstant(module, "MAX_VALUE_BYTES", MAX_BYTES) != 0)
        return -1;
    return PyModule_AddFunctions(module, methods);
}
