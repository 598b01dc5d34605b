/* module.c - the Python binding, and nothing else: no decision is taken here.
 *
 * Three users: the zygote and its templates (zygote_serve, template_serve), the subject (row, blob,
 * begin, loaded, end), and the client (client.c). Stable ABI of CPython 3.11.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "client.h"
#include "codec.h"
#include "sv.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

PyMODINIT_FUNC PyInit__native(void);

/* ---- zygote and template ------------------------------------------------------------------------ */

static struct sv_jail jail;
static struct sv_template_state state;

static PyObject *zygote_serve(PyObject *self, PyObject *args)
{
    (void)self;
    int sock, uid_outer, host_in_reach, landlock, kill_unknown;
    unsigned clone_flags;
    unsigned long long scratch_bytes;
    const char *scratch;
    PyObject *paths;
    if (!PyArg_ParseTuple(args, "iO!sIiiiiK", &sock, &PyList_Type, &paths, &scratch, &clone_flags,
                          &uid_outer, &host_in_reach, &landlock, &kill_unknown, &scratch_bytes))
        return NULL;
    Py_ssize_t n = PyList_Size(paths);
    if (n > SV_MAX_PATHS) {
        PyErr_SetString(PyExc_ValueError, "too many read-only paths");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *path = PyUnicode_AsUTF8AndSize(PyList_GetItem(paths, i), NULL);
        if (path == NULL || (jail.read_only[i] = strdup(path)) == NULL)
            return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    jail.read_only_count = (uint32_t)n;
    if ((jail.scratch = strdup(scratch)) == NULL)
        return PyErr_NoMemory();
    jail.clone_flags = clone_flags;
    jail.uid_outer = uid_outer;
    jail.host_in_reach = host_in_reach;
    jail.landlock = landlock;
    jail.kill_unknown = kill_unknown;
    jail.scratch_bytes = scratch_bytes;
    /* The GIL stays held: there is one thread, and templates are forked in here. */
    int r = sv_zygote_serve(sock, &jail, &state);
    if (r < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBool_FromLong(r);
}

static PyObject *template_serve(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    int r = sv_template_serve(&state);
    if (r < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLong(r);
}

/* ---- subject ------------------------------------------------------------------------------------- */

static PyObject *row(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return Py_BuildValue("IIII", state.region->kind, state.region->start, state.region->cells,
                         state.region->blobs);
}

static PyObject *blob(PyObject *self, PyObject *arg)
{
    (void)self;
    const char *bytes;
    uint32_t len;
    unsigned long index = PyLong_AsUnsignedLong(arg);
    if (PyErr_Occurred())
        return NULL;
    if (sv_region_get(state.region, (uint32_t)index, &bytes, &len) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)len);
}

/* Under RLIMIT_CPU the process clock moves only with the kernel's tick, so short cells are timed by
 * their thread's clock, which is exact; the process clock sees the cell's other threads. */
static uint64_t thread_began_ns;

static PyObject *begin(PyObject *self, PyObject *arg)
{
    (void)self;
    unsigned long cell = PyLong_AsUnsignedLong(arg);
    if (PyErr_Occurred())
        return NULL;
    if (state.recycled) { /* see settle_times in keeper.c */
        thread_began_ns = sv_now_ns();
    } else {
        state.region->cell_cpu_ns = sv_cpu_ns(0);
        thread_began_ns = state.task.inside ? 0 : sv_thread_cpu_ns();
    }
    state.region->cell = (uint32_t)cell;
    Py_RETURN_NONE;
}

static PyObject *loaded(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    state.region->loading = 0;
    Py_RETURN_NONE;
}

static PyObject *waiting(PyObject *self, PyObject *arg)
{
    (void)self;
    state.region->waiting = (uint32_t)(arg == Py_True);
    Py_RETURN_NONE;
}

static uint64_t cell_cpu_us(void)
{
    uint64_t thread_ns = (state.recycled ? sv_now_ns() : sv_thread_cpu_ns()) - thread_began_ns;
    uint64_t cpu_ns = state.recycled ? 0 : sv_cpu_ns(0) - state.region->cell_cpu_ns;
    return (cpu_ns > thread_ns ? cpu_ns : thread_ns) / 1000u;
}

static PyObject *end(PyObject *self, PyObject *args)
{
    (void)self;
    unsigned first, last, verdict, trust = SV_TRUST_NONE;
    const char *detail;
    Py_ssize_t len;
    if (!PyArg_ParseTuple(args, "IIIy#|I", &first, &last, &verdict, &detail, &len, &trust))
        return NULL;
    uint64_t cpu_us = state.task.inside ? 0 : cell_cpu_us(); /* nobody asks what a task took */
    int fits = 1;
    for (unsigned i = first; i < last && i < SV_MAX_CELLS; i++) {
        struct sv_record *record = &state.region->records[i];
        record->trust = (uint8_t)((record->trust & SV_CERTAIN) | trust);
        fits &= sv_record_set(state.region, i, (enum sv_verdict)verdict, cpu_us, detail, (size_t)len);
    }
    state.region->cell = last;
    return PyBool_FromLong(fits);
}

static PyObject *certain(PyObject *self, PyObject *args)
{
    (void)self;
    unsigned cell;
    if (!PyArg_ParseTuple(args, "I", &cell))
        return NULL;
    if (state.region != NULL && cell < SV_MAX_CELLS)
        state.region->records[cell].trust = SV_CERTAIN;
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    state.region->stopped = 1;
    Py_RETURN_NONE;
}

static PyObject *recycled(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return PyBool_FromLong(state.recycled);
}

static PyObject *checked(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return PyBool_FromLong(state.recycle == SV_RECYCLE_CHECKED);
}

/* For the rehearsal of a subject that is to be recycled: a row of our own. */
static PyObject *stage(PyObject *self, PyObject *blobs)
{
    (void)self;
    struct sv_region *region = state.region;
    region->blobs = region->payload_len = region->arena_len = 0;
    region->start = region->cell = region->stopped = 0;
    region->loading = 1;
    if (!PyList_Check(blobs))
        return PyErr_Format(PyExc_TypeError, "stage() takes a list of bytes");
    region->cells = (uint32_t)PyList_Size(blobs) - 1;
    for (Py_ssize_t i = 0; i < PyList_Size(blobs); i++) {
        char *bytes;
        Py_ssize_t len;
        if (PyBytes_AsStringAndSize(PyList_GetItem(blobs, i), &bytes, &len) != 0)
            return NULL;
        if (sv_region_put(region, bytes, (size_t)len) != 0)
            return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *park(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    sv_park();
    Py_RETURN_NONE;
}

static PyObject *limits(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    return Py_BuildValue("KKI", state.limits.memory_bytes, state.limits.stack_bytes, state.limits.int_digits);
}

static PyMethodDef methods[] = {
    {"zygote_serve", zygote_serve, METH_VARARGS,
     "zygote_serve(sock, read_only, scratch, clone_flags, uid_outer, host_in_reach, landlock, kill_unknown, scratch_bytes)"
     " -> True in a new template, False at end of file"},
    {"template_serve", template_serve, METH_NOARGS,
     "template_serve() -> ROLE_SUBJECT in a new subject, ROLE_RECYCLED, ROLE_TASK for a task, ROLE_END"},
    {"row", row, METH_NOARGS, "row() -> (kind, start, cells, blobs) of the subject's row"},
    {"blob", blob, METH_O, "blob(i) -> bytes"},
    {"begin", begin, METH_O, "begin(cell): starts its clocks"},
    {"loaded", loaded, METH_NOARGS, "loaded(): what follows is the cell's own doing"},
    {"waiting", waiting, METH_O, "waiting(bool): whether a judge waits for its subject"},
    {"end", end, METH_VARARGS, 
     "end(first, last, verdict or mark, detail, trust=0) -> whether the detail had room; cells first..last-1"},
    {"certain", certain, METH_VARARGS, "certain(cell): its failure stands, whatever one process says"},
    {"stop", stop, METH_NOARGS, "stop(): the other end of the channel is gone"},
    {"recycled", recycled, METH_NOARGS, "recycled() -> whether this subject is put back after each row"},
    {"stage", stage, METH_O, "stage(blobs): a row of our own, for a rehearsal"},
    {"checked", checked, METH_NOARGS, "checked() -> whether all of its memory is compared after each, for tests"},
    {"park", park, METH_NOARGS, "park(): locks in a subject to be recycled; returns at the beginning of each row"},
    {"limits", limits, METH_NOARGS,
     "limits() -> (memory_bytes, stack_bytes, int_digits): those that the interpreter keeps"},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module)
{
    PyObject *stages = PyTuple_New(SV_STAGE_COUNT);
    if (stages == NULL)
        return -1;
    for (int i = 0; i < SV_STAGE_COUNT; i++)
        if (PyTuple_SetItem(stages, i, PyUnicode_FromString(sv_stage_name((enum sv_stage)i))) != 0)
            return -1;
    if (PyModule_AddObjectRef(module, "STAGES", stages) != 0)
        return -1;
    Py_DECREF(stages);
    static const struct {
        const char *name;
        long value;
    } constants[] = {
        {"MAX_CELLS", SV_MAX_CELLS},
        {"MAX_PAYLOAD_BYTES", SV_PAYLOAD_BYTES},
        {"MAX_ANSWER_BYTES", SV_ANSWER_MAX},
        {"CHANNEL_IN", SV_CHANNEL_IN},
        {"CHANNEL_OUT", SV_CHANNEL_OUT},
        {"KIND_CELLS", SV_KIND_CELLS},
        {"KIND_PROGRAM", SV_KIND_PROGRAM},
        {"KIND_CALLS", SV_KIND_CALLS},
        {"KIND_ASKED", SV_KIND_ASKED},
        {"KIND_SERVE", SV_KIND_SERVE},
        {"KIND_JUDGE", SV_KIND_JUDGE},
        {"KIND_VACUOUS", SV_KIND_VACUOUS},
        {"KIND_PLAN", SV_KIND_PLAN},
        {"KIND_COMPARE", SV_KIND_COMPARE},
        {"MARK_ANSWERED", SV_ANSWERED},
        {"MARK_LITERAL", SV_LITERAL},
        {"MARK_CODE", SV_CODE},
        {"MARK_READS", SV_READS},
        {"MARK_PROBE", SV_PROBE},
        {"MARK_LOST", SV_LOST},
        {"MARK_LONG", SV_LONG},
        {"MARK_UNSPLIT", SV_UNSPLIT},
        {"MARK_STRANGE", SV_STRANGE},
        {"MARK_ALONE", SV_ALONE},
        {"TRUST_LEFT", SV_LEFT},
        {"ROLE_END", SV_ROLE_END},
        {"ROLE_SUBJECT", SV_ROLE_SUBJECT},
        {"ROLE_TASK", SV_ROLE_TASK},
        {"ROLE_RECYCLED", SV_ROLE_RECYCLED},
        {"PLACE_KEEPER", SV_KEEPER(0)},
        {"ZYGOTE_SOCK", SV_ZYGOTE_SOCK},
        {"TASK_NO_MEMORY", SV_TASK_NO_MEMORY},
        {"JUDGE_INLINE", SV_JUDGE_INLINE},
        {"JUDGE_SPLIT", SV_JUDGE_SPLIT},
        {"JUDGE_TOGETHER", SV_JUDGE_TOGETHER},
    };
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) != 0)
            return -1;
    return PyModule_AddStringConstant(module, "SOURCES", SV_SOURCES);
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", "The native half of sv_sandbox.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (add_constants(module) != 0 || sv_client_add(module) != 0 || sv_codec_add(module) != 0)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
