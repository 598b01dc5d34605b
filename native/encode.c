/* encode.c - writes a value; see codec.h. */
#include "codec.h"

#include <string.h>

#define LARGE (128u << 10) /* from so many bytes on the result is a bytearray */

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
    unsigned char *out; /* `first`, or what `array` holds */
    PyObject *array;    /* a bytearray that nobody else knows, or NULL */
    size_t len, room, most;
    struct put_frame *frames;
    size_t depth, frame_room;
    struct slot *slots; /* open addressing; a power of two of them, half of them free */
    size_t slot_room;
    Py_ssize_t count; /* of containers */
    PyObject *containers, *other, *told;
    unsigned ticks, seen;
    unsigned char first[512];
};

static int refuse(const char *why)
{
    PyErr_SetString(sv_unencodable, why);
    return -1;
}

/* Calls `told` (if there is one) with a kind that two processes have each in their own way, once for
 * each: NaN is one object or two, a set has an order. 0, or -1 with an exception. */
static int tell(struct writer *w, enum kind kind)
{
    const unsigned bit = 1u << kind;
    if (w->told == NULL || (w->seen & bit) != 0)
        return 0;
    w->seen |= bit;
    PyObject *result = PyObject_CallFunction(w->told, "i", (int)kind);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int make_room(struct writer *w, size_t more)
{
    if (more > w->most || w->len + more > w->most)
        return refuse("the value is too large");
    const size_t least = w->len + more, twice = 2 * w->len; /* one large value is not doubled */
    const size_t room = (least > twice ? least : twice) + sizeof w->first;
    if (w->array == NULL) {
        if ((w->array = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)room)) == NULL)
            return -1;
        memcpy(PyByteArray_AsString(w->array), w->first, w->len);
    } else if (PyByteArray_Resize(w->array, (Py_ssize_t)room) != 0) {
        return -1; /* and what was there stays */
    }
    w->out = (unsigned char *)PyByteArray_AsString(w->array);
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
        (bytes = PyObject_Call(method, args, sv_signed)) != NULL)
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
    size_t at = (size_t)sv_mix(0, (uint64_t)(uintptr_t)object);
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
    struct put_frame *frames = sv_grown(w->frames, w->depth, &w->frame_room, sizeof *frames);
    if (frames == NULL) {
        Py_DECREF(items);
        return -1;
    }
    w->frames = frames;
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
    return put_items(w, kind, sv_contents(value));
}

static int put_number(struct writer *w, PyObject *value)
{
    if (Py_TYPE(value) == &PyFloat_Type) {
        double number = PyFloat_AsDouble(value);
        if (number != number && tell(w, FLOAT) != 0)
            return -1;
        return put_fixed(w, FLOAT, &number, sizeof number);
    }
    double parts[2] = {PyComplex_RealAsDouble(value), PyComplex_ImagAsDouble(value)};
    if ((parts[0] != parts[0] || parts[1] != parts[1]) && tell(w, FLOAT) != 0)
        return -1;
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
        return tell(w, SET) != 0 ? -1 : put_container(w, SET, value);
    if (type == &PyFrozenSet_Type)
        return tell(w, FROZENSET) != 0 ? -1
                                                          : put_items(w, FROZENSET, sv_contents(value));
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

PyObject *sv_encode(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    const size_t most = count > 3 ? PyLong_AsSize_t(args[3]) : MAX_BYTES;
    if (PyErr_Occurred() || count < 3 || count > 5 || !sv_is_list(args[2]))
        return PyErr_Occurred()
                   ? NULL
                   : PyErr_Format(PyExc_TypeError, "encode(value, other, containers, most, told)");
    struct writer w = {.other = args[1], .containers = args[2]};
    w.told = count > 4 && args[4] != Py_None ? args[4] : NULL;
    w.most = most < MAX_BYTES ? most : MAX_BYTES;
    Py_ssize_t known = w.count = PyList_Size(w.containers);
    w.out = w.first;
    w.room = sizeof w.first < w.most ? sizeof w.first : w.most;
    int r = put(&w, args[0]);
    while (r == 0 && w.depth > 0) {
        struct put_frame *frame = &w.frames[w.depth - 1];
        if (frame->next == PyTuple_Size(frame->items))
            pop_items(&w);
        else
            r = put(&w, PyTuple_GetItem(frame->items, frame->next++)); /* may move the frames */
    }
    PyObject *result = NULL;
    if (r == 0 && w.len > w.most)
        r = refuse("the value is too large");
    if (r == 0 && w.len < LARGE)
        result = PyBytes_FromStringAndSize((char *)w.out, (Py_ssize_t)w.len);
    else if (r == 0 && PyByteArray_Resize(w.array, (Py_ssize_t)w.len) == 0) /* not copied again */
        result = Py_NewRef(w.array);
    Py_XDECREF(w.array);
    while (w.depth > 0)
        Py_DECREF(w.frames[--w.depth].items);
    PyMem_Free(w.frames);
    PyMem_Free(w.slots);
    if (result == NULL)
        sv_forget_from(w.containers, known);
    return result;
}
