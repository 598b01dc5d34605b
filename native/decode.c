/* decode.c - reads a value, and trusts no byte; see codec.h.
 *
 * `owed` counts the values that open containers still await, each of which takes a byte or more: a
 * length is refused unless all of them can still come, so what is allocated stays a small multiple of
 * the message, however containers nest.
 */
#include "codec.h"

#include <string.h>

static PyObject *unbuilt;    /* stands in `containers` for an object whose parts are being read */
static PyObject *from_bytes; /* int.from_bytes */

int sv_decode_ready(void)
{
    unbuilt = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    from_bytes = PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    return unbuilt == NULL || from_bytes == NULL ? -1 : 0;
}

struct take_frame {
    PyObject *target; /* what is filled, owned */
    PyObject *key;    /* of a dict, whose value is awaited, or NULL; owned */
    Py_ssize_t next, left;
    uint32_t number; /* of a MUTABLE_TABLE */
    uint16_t tag, keys;
    unsigned char kind;
};

struct reader {
    const unsigned char *at, *end;
    size_t owed; /* values that open frames still await */
    struct take_frame *frames;
    size_t depth, frame_room;
    PyObject *containers, *build;
    bool interns; /* texts that are names are the objects that a compiler makes of them */
    unsigned ticks;
};

static int malformed(const char *why)
{
    PyErr_SetString(sv_codec_error, why);
    return -1;
}

/* What a constructor refused is malformed, whichever way it says so (but for want of memory or stack,
 * which say nothing of the stream). The
 * message is kept only where it is text already: to format an error could run code of what is in it. */
static void as_malformed(void)
{
    PyObject *type, *error, *trace, *name = NULL, *args = NULL, *text;
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(sv_codec_error) ||
        PyErr_ExceptionMatches(PyExc_MemoryError) || PyErr_ExceptionMatches(PyExc_RecursionError))
        return;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    name = PyType_GetName((PyTypeObject *)type);
    args = PyObject_GetAttrString(error, "args");
    if (args != NULL && PyTuple_Check(args) && PyTuple_Size(args) == 1 &&
        (text = PyTuple_GetItem(args, 0)) != NULL && PyUnicode_CheckExact(text))
        PyErr_Format(sv_codec_error, "%.100U: %.200U", name != NULL ? name : text, text);
    else
        PyErr_Format(sv_codec_error, "a value could not be built (%.200s)",
                     name != NULL ? PyUnicode_AsUTF8AndSize(name, NULL) : "");
    Py_XDECREF(type), Py_XDECREF(error), Py_XDECREF(trace), Py_XDECREF(name), Py_XDECREF(args);
}

/* A length, or -1 with an exception. */
static Py_ssize_t take_length(struct reader *d)
{
    uint64_t length = 0;
    for (unsigned shift = 0; d->at < d->end && shift < 35; shift += 7) {
        unsigned char byte = *d->at++;
        length |= (uint64_t)(byte & 127u) << shift;
        if (byte < 128)
            return (Py_ssize_t)length;
    }
    return malformed("a bad length");
}

/* `n` bytes, or NULL with an exception. */
static const unsigned char *take_bytes(struct reader *d, size_t n)
{
    if ((size_t)(d->end - d->at) < n) {
        malformed("a value is cut short");
        return NULL;
    }
    d->at += n;
    return d->at - n;
}

static const char *take_run(struct reader *d, Py_ssize_t *n)
{
    *n = take_length(d);
    return *n < 0 ? NULL : (const char *)take_bytes(d, (size_t)*n);
}

static PyObject *take_int(struct reader *d, enum kind kind)
{
    const size_t size = (size_t)1 << (kind - INT1);
    const unsigned char *bytes = take_bytes(d, size);
    const unsigned spare = 64 - 8 * (unsigned)size;
    uint64_t word = 0;
    if (bytes == NULL)
        return NULL;
    memcpy(&word, bytes, size);
    return PyLong_FromLongLong((int64_t)(word << spare) >> spare); /* its sign, all the way up */
}

/* Whether a compiler would keep this text once for all who write it: of a few letters, digits and _. */
static bool is_name(const char *text, Py_ssize_t n)
{
    bool is = n > 1 && n <= 64;
    for (Py_ssize_t i = 0; is && i < n; i++) {
        const unsigned char c = (unsigned char)text[i], letter = c | 32u;
        is = (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    return is;
}

static PyObject *take_run_of(struct reader *d, enum kind kind)
{
    Py_ssize_t n;
    const char *bytes = take_run(d, &n);
    PyObject *value = NULL;
    if (bytes == NULL)
        return NULL;
    if (kind == STR) {
        value = PyUnicode_DecodeUTF8(bytes, n, "surrogatepass");
        if (value != NULL && d->interns && is_name(bytes, n))
            PyUnicode_InternInPlace(&value);
    } else if (kind == BYTES)
        value = PyBytes_FromStringAndSize(bytes, n);
    else if (kind == BYTEARRAY)
        value = PyByteArray_FromStringAndSize(bytes, n);
    else {
        PyObject *args = Py_BuildValue("y#s", bytes, n, "little");
        value = args == NULL ? NULL : PyObject_Call(from_bytes, args, sv_signed);
        Py_XDECREF(args);
    }
    if (value == NULL)
        as_malformed();
    else if (kind == BYTEARRAY && PyList_Append(d->containers, value) != 0)
        Py_CLEAR(value);
    return value;
}

static PyObject *take_float(struct reader *d, enum kind kind)
{
    double parts[2];
    size_t size = kind == COMPLEX ? sizeof parts : sizeof parts[0];
    const unsigned char *bytes = take_bytes(d, size);
    if (bytes == NULL)
        return NULL;
    memcpy(parts, bytes, size);
    return kind == COMPLEX ? PyComplex_FromDoubles(parts[0], parts[1]) : PyFloat_FromDouble(parts[0]);
}

static PyObject *take_reference(struct reader *d)
{
    Py_ssize_t number = take_length(d);
    PyObject *object = NULL;
    if (number < 0)
        return NULL;
    if (number < PyList_Size(d->containers))
        object = PyList_GetItem(d->containers, number);
    if (object == NULL || object == unbuilt) {
        malformed("a reference to nothing");
        return NULL;
    }
    Py_INCREF(object);
    return object;
}

static PyObject *new_target(enum kind kind, Py_ssize_t count)
{
    switch (kind) {
    case LIST:
        return PyList_New(0);
    case DICT:
        return PyDict_New();
    case SET:
        return PySet_New(NULL);
    case FROZENSET:
        return PyFrozenSet_New(NULL);
    default:
        return PyTuple_New(count);
    }
}

/* Opens the frame of a container or of a table's type. 0, or -1 with an exception. */
static int open_frame(struct reader *d, enum kind kind)
{
    bool of_table = kind == TABLE || kind == MUTABLE_TABLE;
    Py_ssize_t tag = of_table ? take_length(d) : 0;
    Py_ssize_t count = tag < 0 ? -1 : kind == SLICE || kind == RANGE ? 3 : take_length(d);
    uint16_t keys = 0;
    if (count < 0)
        return -1;
    if (kind == DICT)
        count *= 2;
    if (tag > MAX_TAG || d->owed + (size_t)count > (size_t)(d->end - d->at))
        return malformed("more items than there are bytes");
    if (d->depth > 0) {
        const struct take_frame *up = &d->frames[d->depth - 1];
        bool hashed = up->kind == SET || up->kind == FROZENSET || (up->kind == DICT && up->key == NULL);
        keys = (uint16_t)(up->keys > 0 || hashed ? up->keys + 1 : 0);
    }
    if (d->depth == MAX_DEPTH || keys > MAX_KEY_DEPTH)
        return malformed("nested too deeply");
    struct take_frame *frames = sv_grown(d->frames, d->depth, &d->frame_room, sizeof *frames);
    if (frames == NULL)
        return -1;
    d->frames = frames;
    struct take_frame frame = {.kind = (unsigned char)kind, .left = count, .tag = (uint16_t)tag,
                               .keys = keys, .number = (uint32_t)PyList_Size(d->containers)};
    frame.target = new_target(kind, count);
    if (frame.target == NULL)
        return -1;
    d->frames[d->depth++] = frame; /* owns the target from here on */
    d->owed += (size_t)count;
    if (kind == LIST || kind == DICT || kind == SET)
        return PyList_Append(d->containers, frame.target);
    return kind == MUTABLE_TABLE ? PyList_Append(d->containers, unbuilt) : 0;
}

/* One value (new reference), or NULL: without an exception if a frame was opened for it. */
static PyObject *take(struct reader *d)
{
    if (d->at == d->end) {
        malformed("a value is missing");
        return NULL;
    }
    unsigned char byte = *d->at++;
    if (byte >= SMALL_LOWEST)
        return PyLong_FromLong(byte - SMALL_LOWEST + SMALL_BASE);
    switch ((enum kind)byte) {
    case NONE:
        return Py_NewRef(Py_None);
    case FALSE:
        return Py_NewRef(Py_False);
    case TRUE:
        return Py_NewRef(Py_True);
    case ELLIPSIS:
        return Py_NewRef(Py_Ellipsis);
    case NOT_IMPLEMENTED:
        return Py_NewRef(Py_NotImplemented);
    case INT1:
    case INT2:
    case INT4:
    case INT8:
        return take_int(d, (enum kind)byte);
    case BIG:
    case STR:
    case BYTES:
    case BYTEARRAY:
        return take_run_of(d, (enum kind)byte);
    case FLOAT:
    case COMPLEX:
        return take_float(d, (enum kind)byte);
    case REFERENCE:
        return take_reference(d);
    case LIST:
    case TUPLE:
    case SET:
    case FROZENSET:
    case DICT:
    case SLICE:
    case RANGE:
    case TABLE:
    case MUTABLE_TABLE:
        (void)open_frame(d, (enum kind)byte); /* its exception is seen by the caller */
        return NULL;
    }
    malformed("no such kind of value");
    return NULL;
}

/* Gives a value (which it takes over) to the innermost frame. 0, or -1 with an exception. */
static int deliver(struct reader *d, PyObject *value)
{
    struct take_frame *frame = &d->frames[d->depth - 1];
    int r = 0;
    frame->left--;
    switch ((enum kind)frame->kind) {
    case LIST:
        r = PyList_Append(frame->target, value);
        break;
    case SET:
    case FROZENSET:
        r = PySet_Add(frame->target, value);
        break;
    case DICT:
        if (frame->key == NULL) {
            frame->key = value;
            return 0;
        }
        r = PyDict_SetItem(frame->target, frame->key, value);
        Py_CLEAR(frame->key);
        break;
    default:
        return PyTuple_SetItem(frame->target, frame->next++, value);
    }
    Py_DECREF(value);
    if (r != 0)
        as_malformed(); /* not hashable */
    return r;
}

static PyObject *build_table(struct reader *d, const struct take_frame *frame)
{
    PyObject *tag = PyLong_FromLong(frame->tag);
    if (tag == NULL)
        return NULL;
    PyObject *value = PyObject_CallFunctionObjArgs(d->build, tag, frame->target, NULL);
    Py_DECREF(tag);
    if (value == NULL)
        as_malformed();
    else if (frame->kind == MUTABLE_TABLE &&
             PyList_SetItem(d->containers, frame->number, Py_NewRef(value)) != 0)
        Py_CLEAR(value);
    return value;
}

/* Closes the innermost frame. What it was for (new reference), or NULL with an exception. */
static PyObject *close_frame(struct reader *d)
{
    struct take_frame frame = d->frames[--d->depth];
    PyObject *value = NULL;
    switch ((enum kind)frame.kind) {
    case TABLE:
    case MUTABLE_TABLE:
        value = build_table(d, &frame);
        break;
    case SLICE:
        value = PySlice_New(PyTuple_GetItem(frame.target, 0), PyTuple_GetItem(frame.target, 1),
                            PyTuple_GetItem(frame.target, 2));
        break;
    case RANGE:
        for (Py_ssize_t i = 0; i < 3; i++)
            if (!PyLong_CheckExact(PyTuple_GetItem(frame.target, i))) {
                malformed("a range of what is no int");
                goto out;
            }
        if ((value = PyObject_Call((PyObject *)&PyRange_Type, frame.target, NULL)) == NULL)
            as_malformed(); /* step 0 */
        break;
    default:
        return frame.target;
    }
out:
    Py_DECREF(frame.target);
    return value;
}

static PyObject *take_all(struct reader *d)
{
    for (;;) {
        if (++d->ticks % SIGNALS_EVERY == 0 && PyErr_CheckSignals() != 0)
            return NULL;
        d->owed -= d->depth > 0; /* this one's first byte is next */
        PyObject *value = take(d);
        if (value == NULL && PyErr_Occurred())
            return NULL;
        if (value != NULL && d->depth == 0)
            return value;
        if (value != NULL && deliver(d, value) != 0)
            return NULL;
        while (d->frames[d->depth - 1].left == 0) {
            if ((value = close_frame(d)) == NULL || d->depth == 0)
                return value;
            if (deliver(d, value) != 0)
                return NULL;
        }
    }
}

PyObject *sv_decode(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    Py_buffer data;
    if (count < 3 || count > 4 || !sv_is_list(args[2]))
        return PyErr_Occurred()
                   ? NULL
                   : PyErr_Format(PyExc_TypeError, "decode(data, build, containers, interns)");
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) != 0) /* the caller's own: nobody changes it */
        return NULL;
    struct reader d = {.build = args[1], .containers = args[2]};
    d.interns = count > 3 && args[3] == Py_True;
    const Py_ssize_t known = PyList_Size(d.containers);
    d.at = (const unsigned char *)data.buf;
    d.end = d.at + data.len;
    PyObject *value = take_all(&d);
    if (value != NULL && d.at != d.end) {
        Py_CLEAR(value);
        malformed("bytes after the value");
    }
    while (d.depth > 0) {
        d.depth--;
        Py_DECREF(d.frames[d.depth].target);
        Py_XDECREF(d.frames[d.depth].key);
    }
    PyMem_Free(d.frames);
    PyBuffer_Release(&data);
    if (value == NULL)
        sv_forget_from(d.containers, known);
    return value;
}
