/* codec.c - plain data as bytes: what crosses between a solution's process and a test's.
 *
 * The one file beside module.c that knows Python.h (stable ABI of CPython 3.11); it decides nothing
 * about types beyond the built-in ones: `other` and `build`, from values.py, have the table.
 *
 * A value is one byte that says what follows, then lengths (LEB128), bytes (numbers little-endian)
 * and values. Bytes from SMALL_LOWEST on are small ints. Nesting lives in frames on the heap, so no
 * value and no message can use up a stack: neither function calls itself.
 *
 * The reader trusts no byte. `owed` counts the values that open containers still await, each of
 * which takes a byte or more: a length is refused unless all of them can still come, so what is
 * allocated stays a small multiple of the message, however containers nest.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_DEPTH 2000      /* containers within containers */
#define MAX_KEY_DEPTH 200   /* the same below a set's item or a dict's key: CPython hashes and compares
                             * these by recursion, without a limit that fits a thread of 256 KB */
#define MAX_BYTES (64 << 20)
#define MAX_TAG 0xffff
#define SIGNALS_EVERY 1024  /* values between two looks for signals */

enum kind {
    NONE, FALSE, TRUE, ELLIPSIS, NOT_IMPLEMENTED, INT1, INT2, INT4, INT8, BIG, FLOAT, COMPLEX, STR,
    BYTES, BYTEARRAY, LIST, TUPLE, SET, FROZENSET, DICT, SLICE, RANGE, REFERENCE, TABLE, MUTABLE_TABLE,
};
#define SMALL_LOWEST 64 /* and what this byte stands for: */
#define SMALL_BASE (-32)

int sv_codec_add(PyObject *module);

static PyObject *codec_error, *unencodable;
static PyObject *unbuilt;    /* stands in `containers` for an object whose parts are being read */
static PyObject *from_bytes; /* int.from_bytes */
static PyObject *is_signed;  /* {"signed": True} */

/* ---- shallow looks at containers ------------------------------------------------------------------ */

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

/* What a container holds now, in its order, as a tuple; a bytearray as bytes. New reference, or NULL:
 * with an exception, or without for what is none of the built-in containers. */
static PyObject *contents(PyObject *object)
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

static bool is_list(PyObject *object)
{
    if (PyList_Check(object))
        return true;
    PyErr_SetString(PyExc_TypeError, "a list is wanted here");
    return false;
}

static PyObject *snapshot(PyObject *self, PyObject *containers)
{
    (void)self;
    PyObject *result = is_list(containers) ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; result != NULL && i < PyList_Size(containers); i++) {
        PyObject *seen = contents(PyList_GetItem(containers, i));
        if (seen == NULL && !PyErr_Occurred())
            seen = Py_NewRef(Py_None);
        if (seen == NULL || PyList_Append(result, seen) != 0)
            Py_CLEAR(result);
        Py_XDECREF(seen);
    }
    return result;
}

static PyObject *changed(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count != 2 || !is_list(args[0]) || !is_list(args[1]))
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

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio */
    return sum ^ sum >> 29;
}

static PyObject *checksum(PyObject *self, PyObject *dicts)
{
    (void)self;
    uint64_t sum = 1;
    if (!is_list(dicts))
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_Size(dicts); i++) {
        PyObject *dict = PyList_GetItem(dicts, i), *key, *value;
        Py_ssize_t at = 0;
        if (!PyDict_Check(dict))
            return PyErr_Format(PyExc_TypeError, "checksum() takes a list of dicts");
        sum = mix(sum, (uint64_t)PyDict_Size(dict));
        while (PyDict_Next(dict, &at, &key, &value))
            sum = mix(mix(sum, (uint64_t)(uintptr_t)key), (uint64_t)(uintptr_t)value);
    }
    return PyLong_FromUnsignedLongLong(sum);
}

/* ---- the writer ----------------------------------------------------------------------------------- */

struct slot {
    PyObject *object; /* kept alive by `containers` */
    uint32_t number;
    bool open; /* of the table, and its parts are being written: nothing can refer to it yet */
};

struct put_frame {
    PyObject *items; /* a tuple, owned */
    PyObject *open;  /* the object whose slot is open until these are written, or NULL */
    Py_ssize_t next;
    uint16_t keys;  /* how many frames from a hashed place */
    bool of_dict, of_set;
};

struct writer {
    unsigned char *out;
    size_t len, room;
    struct put_frame *frames;
    size_t depth, frame_room;
    struct slot *slots; /* open addressing; a power of two of them, half of them free */
    size_t slot_room;
    Py_ssize_t count; /* of containers */
    PyObject *containers, *other;
    unsigned ticks;
    unsigned char first[512];
};

static int refuse(const char *why)
{
    PyErr_SetString(unencodable, why);
    return -1;
}

static int make_room(struct writer *w, size_t more)
{
    if (more > MAX_BYTES || w->len + more > MAX_BYTES)
        return refuse("the value is too large");
    size_t room = 2 * (w->len + more);
    unsigned char *out = PyMem_Realloc(w->out == w->first ? NULL : w->out, room);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (w->out == w->first)
        memcpy(out, w->first, w->len);
    w->out = out;
    w->room = room;
    return 0;
}

static inline int reserve(struct writer *w, size_t more)
{
    return w->room - w->len >= more ? 0 : make_room(w, more);
}

/* A kind and `n` bytes. */
static inline int put_fixed(struct writer *w, enum kind kind, const void *bytes, size_t n)
{
    if (reserve(w, n + 1) != 0)
        return -1;
    w->out[w->len] = (unsigned char)kind;
    if (n > 0)
        memcpy(w->out + w->len + 1, bytes, n);
    w->len += n + 1;
    return 0;
}

static int put_length(struct writer *w, size_t length)
{
    if (reserve(w, 10) != 0)
        return -1;
    for (; length > 127; length >>= 7)
        w->out[w->len++] = (unsigned char)(length | 128u);
    w->out[w->len++] = (unsigned char)length;
    return 0;
}

/* A kind, a length and as many bytes. */
static int put_bytes(struct writer *w, enum kind kind, const char *bytes, Py_ssize_t n)
{
    if (bytes == NULL || n < 0 || put_fixed(w, kind, NULL, 0) != 0 || put_length(w, (size_t)n) != 0 ||
        reserve(w, (size_t)n) != 0)
        return -1;
    memcpy(w->out + w->len, bytes, (size_t)n);
    w->len += (size_t)n;
    return 0;
}

static int put_big(struct writer *w, PyObject *value)
{
    int result = -1;
    PyObject *bits = PyObject_CallMethod(value, "bit_length", NULL), *args = NULL, *method = NULL;
    PyObject *bytes = NULL;
    Py_ssize_t n = bits == NULL ? -1 : PyLong_AsSsize_t(bits);
    if (n >= 0 && (args = Py_BuildValue("ns", n / 8 + 1, "little")) != NULL &&
        (method = PyObject_GetAttrString(value, "to_bytes")) != NULL &&
        (bytes = PyObject_Call(method, args, is_signed)) != NULL)
        result = put_bytes(w, BIG, PyBytes_AsString(bytes), PyBytes_Size(bytes));
    Py_XDECREF(bits), Py_XDECREF(args), Py_XDECREF(method), Py_XDECREF(bytes);
    return result;
}

static int put_int(struct writer *w, PyObject *value)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0)
        return put_big(w, value);
    if (n >= SMALL_BASE && n <= SMALL_BASE + 255 - SMALL_LOWEST)
        return put_fixed(w, (enum kind)(n - SMALL_BASE + SMALL_LOWEST), NULL, 0);
    int8_t n1 = (int8_t)n;
    int16_t n2 = (int16_t)n;
    int32_t n4 = (int32_t)n;
    if (n == n1)
        return put_fixed(w, INT1, &n1, sizeof n1);
    if (n == n2)
        return put_fixed(w, INT2, &n2, sizeof n2);
    if (n == n4)
        return put_fixed(w, INT4, &n4, sizeof n4);
    return put_fixed(w, INT8, &n, sizeof n);
}

static int put_str(struct writer *w, PyObject *value)
{
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(value, &n);
    if (text != NULL)
        return put_bytes(w, STR, text, n);
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return -1;
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass");
    int result = bytes == NULL ? -1 : put_bytes(w, STR, PyBytes_AsString(bytes), PyBytes_Size(bytes));
    Py_XDECREF(bytes);
    return result;
}

/* The slot of an object, or the free one where it would be. */
static struct slot *slot_of(struct writer *w, PyObject *object)
{
    size_t at = (size_t)mix(0, (uint64_t)(uintptr_t)object);
    for (;; at++) {
        struct slot *slot = &w->slots[at & (w->slot_room - 1)];
        if (slot->object == object || slot->object == NULL)
            return slot;
    }
}

/* Room for one more number; at first, a slot for each known container. */
static int ready_slots(struct writer *w)
{
    if (w->slots != NULL && (size_t)w->count < w->slot_room / 2)
        return 0;
    size_t room = 64, old_room = w->slot_room;
    while (room / 2 <= (size_t)w->count)
        room *= 2;
    struct slot *old = w->slots, *slots = PyMem_Calloc(room, sizeof *slots);
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    w->slots = slots;
    w->slot_room = room;
    for (size_t i = 0; i < old_room; i++)
        if (old[i].object != NULL)
            *slot_of(w, old[i].object) = old[i];
    PyMem_Free(old);
    for (Py_ssize_t i = 0; old == NULL && i < w->count; i++) {
        struct slot *slot = slot_of(w, PyList_GetItem(w->containers, i));
        if (slot->object == NULL)
            *slot = (struct slot){PyList_GetItem(w->containers, i), (uint32_t)i, false};
    }
    return 0;
}

/* 1 if the object has a number, and a reference was written; 0 if not; -1 with an exception. */
static int put_reference(struct writer *w, PyObject *object)
{
    if (ready_slots(w) != 0)
        return -1;
    const struct slot *slot = slot_of(w, object);
    if (slot->object == NULL)
        return 0;
    if (slot->open)
        return refuse("a cycle through an object that is not a built-in container");
    return put_fixed(w, REFERENCE, NULL, 0) != 0 || put_length(w, slot->number) != 0 ? -1 : 1;
}

static int give_number(struct writer *w, PyObject *object, bool open)
{
    if (PyList_Size(w->containers) != w->count || w->count == UINT32_MAX)
        return refuse("the list of containers changed while a value was encoded");
    if (ready_slots(w) != 0 || PyList_Append(w->containers, object) != 0)
        return -1;
    *slot_of(w, object) = (struct slot){object, (uint32_t)w->count++, open};
    return 0;
}

/* Opens a frame: takes over `items`, also when it fails. */
static int push_items(struct writer *w, PyObject *items, enum kind kind, PyObject *open)
{
    uint16_t keys = 0;
    if (items == NULL)
        return -1;
    if (w->depth > 0) {
        const struct put_frame *up = &w->frames[w->depth - 1];
        bool hashed = up->of_set || (up->of_dict && up->next % 2 == 1); /* `next` is already past it */
        keys = (uint16_t)(up->keys > 0 || hashed ? up->keys + 1 : 0);
    }
    if (w->depth == MAX_DEPTH || keys > MAX_KEY_DEPTH) {
        Py_DECREF(items);
        return refuse("nested too deeply");
    }
    if (w->depth == w->frame_room) {
        size_t room = w->frame_room == 0 ? 16 : 2 * w->frame_room;
        struct put_frame *frames = PyMem_Realloc(w->frames, room * sizeof *frames);
        if (frames == NULL) {
            Py_DECREF(items);
            PyErr_NoMemory();
            return -1;
        }
        w->frames = frames;
        w->frame_room = room;
    }
    w->frames[w->depth++] = (struct put_frame){
        .items = items, .open = open, .keys = keys, .of_dict = kind == DICT,
        .of_set = kind == SET || kind == FROZENSET};
    return 0;
}

static int put_items(struct writer *w, enum kind kind, PyObject *items)
{
    size_t count = items == NULL ? 0 : (size_t)PyTuple_Size(items);
    if (items != NULL &&
        (put_fixed(w, kind, NULL, 0) != 0 || put_length(w, kind == DICT ? count / 2 : count) != 0))
        Py_CLEAR(items);
    return push_items(w, items, kind, NULL);
}

static int put_parts(struct writer *w, enum kind kind, PyObject *value, const char *const names[3])
{
    PyObject *parts = PyTuple_New(3);
    for (Py_ssize_t i = 0; parts != NULL && i < 3; i++) {
        PyObject *part = PyObject_GetAttrString(value, names[i]);
        if (part == NULL || PyTuple_SetItem(parts, i, part) != 0)
            Py_CLEAR(parts);
    }
    if (parts != NULL && put_fixed(w, kind, NULL, 0) != 0)
        Py_CLEAR(parts);
    return push_items(w, parts, kind, NULL);
}

/* What is no built-in value: `other` knows its tag and parts, or raises. */
static int put_other(struct writer *w, PyObject *value)
{
    int r = put_reference(w, value), is_mutable;
    unsigned tag;
    PyObject *parts;
    if (r != 0)
        return r < 0 ? -1 : 0;
    PyObject *answer = PyObject_CallFunctionObjArgs(w->other, value, NULL);
    if (answer == NULL)
        return -1;
    r = -1;
    if (!PyTuple_Check(answer))
        PyErr_SetString(PyExc_TypeError, "other() answers (tag, mutable, parts)");
    else if (PyArg_ParseTuple(answer, "IpO!", &tag, &is_mutable, &PyTuple_Type, &parts)) {
        if (tag > MAX_TAG)
            PyErr_SetString(PyExc_ValueError, "no such tag");
        else if ((!is_mutable || give_number(w, value, true) == 0) &&
                 put_fixed(w, is_mutable ? MUTABLE_TABLE : TABLE, NULL, 0) == 0 &&
                 put_length(w, tag) == 0 && put_length(w, (size_t)PyTuple_Size(parts)) == 0)
            r = push_items(w, Py_NewRef(parts), TUPLE, is_mutable ? value : NULL);
    }
    Py_DECREF(answer);
    return r;
}

/* A container of a kind that can change: a reference, or its number and its contents. */
static int put_container(struct writer *w, enum kind kind, PyObject *value)
{
    int r = put_reference(w, value);
    if (r != 0)
        return r < 0 ? -1 : 0;
    if (give_number(w, value, false) != 0)
        return -1;
    if (kind == BYTEARRAY)
        return put_bytes(w, kind, PyByteArray_AsString(value), PyByteArray_Size(value));
    return put_items(w, kind, contents(value));
}

static int put_number(struct writer *w, PyObject *value)
{
    if (Py_TYPE(value) == &PyFloat_Type) {
        double number = PyFloat_AsDouble(value);
        return put_fixed(w, FLOAT, &number, sizeof number);
    }
    double parts[2] = {PyComplex_RealAsDouble(value), PyComplex_ImagAsDouble(value)};
    return put_fixed(w, COMPLEX, parts, sizeof parts);
}

/* One value, or the frame of its items. 0, or -1 with an exception. */
static int put(struct writer *w, PyObject *value)
{
    static const char *const slice_parts[3] = {"start", "stop", "step"};
    const PyTypeObject *type = Py_TYPE(value);
    if (++w->ticks % SIGNALS_EVERY == 0 && PyErr_CheckSignals() != 0)
        return -1;
    if (type == &PyLong_Type)
        return put_int(w, value);
    if (type == &PyUnicode_Type)
        return put_str(w, value);
    if (type == &PyFloat_Type || type == &PyComplex_Type)
        return put_number(w, value);
    if (type == &PyTuple_Type)
        return put_items(w, TUPLE, Py_NewRef(value));
    if (type == &PyList_Type)
        return put_container(w, LIST, value);
    if (type == &PyDict_Type)
        return put_container(w, DICT, value);
    if (value == Py_None)
        return put_fixed(w, NONE, NULL, 0);
    if (type == &PyBool_Type)
        return put_fixed(w, value == Py_True ? TRUE : FALSE, NULL, 0);
    if (type == &PyBytes_Type)
        return put_bytes(w, BYTES, PyBytes_AsString(value), PyBytes_Size(value));
    if (type == &PySet_Type)
        return put_container(w, SET, value);
    if (type == &PyFrozenSet_Type)
        return put_items(w, FROZENSET, contents(value));
    if (type == &PyByteArray_Type)
        return put_container(w, BYTEARRAY, value);
    if (type == &PySlice_Type)
        return put_parts(w, SLICE, value, slice_parts);
    if (type == &PyRange_Type)
        return put_parts(w, RANGE, value, slice_parts);
    if (value == Py_Ellipsis)
        return put_fixed(w, ELLIPSIS, NULL, 0);
    if (value == Py_NotImplemented)
        return put_fixed(w, NOT_IMPLEMENTED, NULL, 0);
    return put_other(w, value);
}

static void pop_items(struct writer *w)
{
    struct put_frame *frame = &w->frames[--w->depth];
    if (frame->open != NULL)
        slot_of(w, frame->open)->open = false;
    Py_DECREF(frame->items);
}

static PyObject *encode(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (count != 3 || !is_list(args[2]))
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_TypeError, "encode(value, other, containers)");
    struct writer w = {.other = args[1], .containers = args[2]};
    Py_ssize_t known = w.count = PyList_Size(w.containers);
    w.out = w.first;
    w.room = sizeof w.first;
    int r = put(&w, args[0]);
    while (r == 0 && w.depth > 0) {
        struct put_frame *frame = &w.frames[w.depth - 1];
        if (frame->next == PyTuple_Size(frame->items))
            pop_items(&w);
        else
            r = put(&w, PyTuple_GetItem(frame->items, frame->next++)); /* may move the frames */
    }
    PyObject *result = r != 0 ? NULL : PyBytes_FromStringAndSize((char *)w.out, (Py_ssize_t)w.len);
    while (w.depth > 0)
        Py_DECREF(w.frames[--w.depth].items);
    PyMem_Free(w.frames);
    PyMem_Free(w.slots);
    if (w.out != w.first)
        PyMem_Free(w.out);
    if (result == NULL) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        if (PyList_SetSlice(w.containers, known, PyList_Size(w.containers), NULL) != 0)
            PyErr_Clear(); /* the first error counts */
        PyErr_Restore(type, error, trace);
    }
    return result;
}

/* ---- the reader ----------------------------------------------------------------------------------- */

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
    unsigned ticks;
};

static int malformed(const char *why)
{
    PyErr_SetString(codec_error, why);
    return -1;
}

/* What a constructor refused is malformed, whichever way it says so (but for want of memory). The
 * message is kept only where it is text already: to format an error could run code of what is in it. */
static void as_malformed(void)
{
    PyObject *type, *error, *trace, *name = NULL, *args = NULL, *text;
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(codec_error) ||
        PyErr_ExceptionMatches(PyExc_MemoryError))
        return;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    name = PyType_GetName((PyTypeObject *)type);
    args = PyObject_GetAttrString(error, "args");
    if (args != NULL && PyTuple_Check(args) && PyTuple_Size(args) == 1 &&
        (text = PyTuple_GetItem(args, 0)) != NULL && PyUnicode_CheckExact(text))
        PyErr_Format(codec_error, "%.100U: %.200U", name != NULL ? name : text, text);
    else
        PyErr_Format(codec_error, "a value could not be built (%.200s)",
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
    int8_t n1;
    int16_t n2;
    int32_t n4;
    long long n8;
    if (bytes == NULL)
        return NULL;
    switch (kind) {
    case INT1:
        memcpy(&n1, bytes, sizeof n1);
        return PyLong_FromLong(n1);
    case INT2:
        memcpy(&n2, bytes, sizeof n2);
        return PyLong_FromLong(n2);
    case INT4:
        memcpy(&n4, bytes, sizeof n4);
        return PyLong_FromLong(n4);
    default:
        memcpy(&n8, bytes, sizeof n8);
        return PyLong_FromLongLong(n8);
    }
}

static PyObject *take_run_of(struct reader *d, enum kind kind)
{
    Py_ssize_t n;
    const char *bytes = take_run(d, &n);
    PyObject *value = NULL;
    if (bytes == NULL)
        return NULL;
    if (kind == STR)
        value = PyUnicode_DecodeUTF8(bytes, n, "surrogatepass");
    else if (kind == BYTES)
        value = PyBytes_FromStringAndSize(bytes, n);
    else if (kind == BYTEARRAY)
        value = PyByteArray_FromStringAndSize(bytes, n);
    else {
        PyObject *args = Py_BuildValue("y#s", bytes, n, "little");
        value = args == NULL ? NULL : PyObject_Call(from_bytes, args, is_signed);
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
    return Py_NewRef(object);
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
    if (d->depth == d->frame_room) {
        size_t room = d->frame_room == 0 ? 16 : 2 * d->frame_room;
        struct take_frame *frames = PyMem_Realloc(d->frames, room * sizeof *frames);
        if (frames == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        d->frames = frames;
        d->frame_room = room;
    }
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

static PyObject *decode(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    char *bytes;
    Py_ssize_t len;
    if (count != 3 || !is_list(args[2]))
        return PyErr_Occurred() ? NULL
                                : PyErr_Format(PyExc_TypeError, "decode(data, build, containers)");
    if (PyBytes_AsStringAndSize(args[0], &bytes, &len) != 0) /* bytes only: nobody can change them */
        return NULL;
    struct reader d = {.build = args[1], .containers = args[2]};
    Py_ssize_t known = PyList_Size(d.containers);
    d.at = (const unsigned char *)bytes;
    d.end = d.at + len;
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
    if (value == NULL) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        if (PyList_SetSlice(d.containers, known, PyList_Size(d.containers), NULL) != 0)
            PyErr_Clear(); /* the first error counts */
        PyErr_Restore(type, error, trace);
    }
    return value;
}

/* ---- the module ----------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"encode", (PyCFunction)(void (*)(void))encode, METH_FASTCALL, NULL},
    {"decode", (PyCFunction)(void (*)(void))decode, METH_FASTCALL, NULL},
    {"snapshot", snapshot, METH_O, NULL},
    {"changed", (PyCFunction)(void (*)(void))changed, METH_FASTCALL, NULL},
    {"checksum", checksum, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

int sv_codec_add(PyObject *module)
{
    codec_error = PyErr_NewException("_native.CodecError", PyExc_ValueError, NULL);
    unencodable = PyErr_NewException("_native.Unencodable", PyExc_TypeError, NULL);
    unbuilt = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    from_bytes = PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    is_signed = Py_BuildValue("{s:O}", "signed", Py_True);
    if (codec_error == NULL || unencodable == NULL || unbuilt == NULL || from_bytes == NULL ||
        is_signed == NULL)
        return -1;
    if (PyModule_AddObjectRef(module, "CodecError", codec_error) != 0 ||
        PyModule_AddObjectRef(module, "Unencodable", unencodable) != 0 ||
        PyModule_AddIntConstant(module, "MAX_DEPTH", MAX_DEPTH) != 0 ||
        PyModule_AddIntConstant(module, "MAX_VALUE_BYTES", MAX_BYTES) != 0)
        return -1;
    return PyModule_AddFunctions(module, methods);
}
