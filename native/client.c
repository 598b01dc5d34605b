/* client.c - the binding of the client's side: pools, jobs, and bells that ring when jobs end.
 *
 * Each is a capsule. The GIL is held by nobody who waits.
 */
#include "client.h"
#include "sv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- pools ---------------------------------------------------------------------------------------- */

static const char *const POOL = "sv_sandbox.pool";
static const char *const JOB = "sv_sandbox.job";

static void pool_destroy(PyObject *capsule)
{
    struct sv_pool *pool = PyCapsule_GetPointer(capsule, POOL);
    if (pool != NULL && PyCapsule_GetContext(capsule) == NULL) {
        Py_BEGIN_ALLOW_THREADS
        sv_pool_close(pool);
        Py_END_ALLOW_THREADS
    }
}

/* A list of bytes as parallel arrays (borrowed; `blobs` ends with NULL). 0, or -1 with an exception. */
static int blobs_of(PyObject *list, const char ***blobs, size_t **lens)
{
    Py_ssize_t n = PyList_Size(list);
    *blobs = calloc((size_t)n + 1, sizeof **blobs);
    *lens = calloc((size_t)n + 1, sizeof **lens);
    if (*blobs == NULL || *lens == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        char *bytes;
        Py_ssize_t len;
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &len) != 0)
            return -1;
        (*blobs)[i] = bytes;
        (*lens)[i] = (size_t)len;
    }
    return 0;
}

static PyObject *pool_new(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *commands, *environment, *capsule = NULL;
    const char *group, **argv[SV_MAX_ZYGOTES] = {NULL}, **env = NULL;
    unsigned workers, fault_count;
    int recycle;
    struct sv_fault fault;
    struct sv_zygote_spec specs[SV_MAX_ZYGOTES];
    size_t *lens[SV_MAX_ZYGOTES + 1] = {NULL};
    if (!PyArg_ParseTuple(args, "O!O!yI(iiI)i", &PyList_Type, &commands, &PyList_Type, &environment, &group,
                          &workers, &fault.stage, &fault.err, &fault_count, &recycle))
        return NULL;
    const Py_ssize_t n = PyList_Size(commands);
    if (n < 1 || n > SV_MAX_ZYGOTES || workers < 1) {
        PyErr_SetString(PyExc_ValueError, "a pool has 1 or 2 zygotes and at least one worker");
        return NULL;
    }
    if (blobs_of(environment, &env, &lens[n]) != 0)
        goto out;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (blobs_of(PyList_GetItem(commands, i), &argv[i], &lens[i]) != 0)
            goto out;
        specs[i] = (struct sv_zygote_spec){argv[i], env, group};
    }
    struct sv_pool *pool = sv_pool_new(specs, (int)n, workers, fault, fault_count, (enum sv_recycle)recycle);
    if (pool == NULL) {
        (void)PyErr_SetFromErrno(PyExc_OSError);
        goto out;
    }
    capsule = PyCapsule_New(pool, POOL, pool_destroy);
    if (capsule == NULL)
        sv_pool_close(pool);
out:
    for (Py_ssize_t i = 0; i < n; i++)
        free(argv[i]);
    for (Py_ssize_t i = 0; i <= n; i++)
        free(lens[i]);
    free(env);
    return capsule;
}

/* An open pool, or NULL with an exception. A closed capsule has a context. */
static struct sv_pool *pool_of(PyObject *capsule)
{
    struct sv_pool *pool = PyCapsule_GetPointer(capsule, POOL);
    if (pool != NULL && PyCapsule_GetContext(capsule) != NULL) {
        PyErr_SetString(PyExc_ValueError, "the pool is closed");
        return NULL;
    }
    if (pool != NULL && !sv_pool_is_own(pool)) {
        PyErr_SetString(PyExc_ValueError, "the pool belongs to the process that this one is a fork of");
        return NULL;
    }
    return pool;
}

static PyObject *pool_close(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct sv_pool *pool = PyCapsule_GetPointer(capsule, POOL);
    if (pool == NULL)
        return NULL;
    if (PyCapsule_GetContext(capsule) == NULL) {
        static char closed;
        if (PyCapsule_SetContext(capsule, &closed) != 0)
            return NULL;
        Py_BEGIN_ALLOW_THREADS
        sv_pool_close(pool);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

static PyObject *pool_probe(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *capsule;
    int place;
    struct sv_ready ready;
    if (!PyArg_ParseTuple(args, "Oi", &capsule, &place))
        return NULL;
    struct sv_pool *pool = pool_of(capsule);
    if (pool == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    (void)sv_pool_probe(pool, place, &ready);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("iiIii", ready.error.stage, ready.error.err, ready.layers,
                         ready.landlock_errno, ready.userns_errno);
}

static PyObject *remove_tree(PyObject *self, PyObject *path)
{
    (void)self;
    const char *bytes = PyBytes_AsString(path);
    if (bytes == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    sv_remove_tree(bytes);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *pool_zygote(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *capsule;
    int zygote;
    if (!PyArg_ParseTuple(args, "Oi", &capsule, &zygote))
        return NULL;
    struct sv_pool *pool = pool_of(capsule);
    if (pool == NULL)
        return NULL;
    if (zygote < 0 || zygote >= SV_MAX_ZYGOTES) {
        PyErr_SetString(PyExc_ValueError, "no such zygote");
        return NULL;
    }
    return PyLong_FromLong(sv_pool_zygote(pool, zygote));
}

static PyObject *pool_statistics(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct sv_statistics s;
    struct sv_pool *pool = pool_of(capsule);
    if (pool == NULL)
        return NULL;
    sv_pool_statistics(pool, &s);
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "rows", s.rows, "templates", s.templates,
                         "recycled", s.recycled, "retried", s.retried, "infra_rows", s.infra_rows,
                         "recycled_rows", s.recycled_rows, "handed_on", s.handed_on, "keepers", s.keepers,
                         "plans", s.plans, "both_ways", s.both_ways);
}

/* ---- jobs ----------------------------------------------------------------------------------------- */

struct job {
    struct sv_job *job;
    Py_buffer results; /* holds the caller's memory for as long as the job lives */
    uint32_t rows, cells;
    pid_t owner;
    PyObject *pool; /* its capsule: closed or open */
};

/* What runs is ended soon; what waits ends at once, though all workers are busy. A pool is closed by who
 * holds the GIL, as we do. */
static void cancel(const struct job *j)
{
    sv_job_cancel(j->job);
    if (j->owner == getpid() && PyCapsule_GetContext(j->pool) == NULL)
        sv_job_drop(j->job);
}

static void job_destroy(PyObject *capsule)
{
    struct job *j = PyCapsule_GetPointer(capsule, JOB);
    if (j == NULL || j->owner != getpid())
        return; /* in a fork nobody works on it: there is nothing to wait for, and little to free */
    cancel(j);
    Py_BEGIN_ALLOW_THREADS
    while (sv_job_rows_done(j->job) < j->rows) {
        const struct timespec moment = {0, 2000000};
        (void)nanosleep(&moment, NULL);
    }
    Py_END_ALLOW_THREADS
    sv_job_free(j->job);
    PyBuffer_Release(&j->results);
    Py_DECREF(j->pool);
    free(j);
}

static PyObject *pool_submit(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *pool_capsule, *rows, *cells, *results, *result = NULL;
    const char *zygotes;
    Py_ssize_t zygotes_len;
    int kind, judge;
    unsigned cell_count, workers;
    const char *stdin_bytes;
    Py_ssize_t stdin_len;
    struct sv_limits l = {0};
    struct sv_fault fault;
    if (!PyArg_ParseTuple(args, "OiiO!y#O!II(KKKKKIIIKI)y#O(ii)", &pool_capsule, &kind, &judge, &PyList_Type,
                          &rows, &zygotes, &zygotes_len, &PyList_Type, &cells, &cell_count, &workers, &l.cpu_us,
                          &l.wall_us, &l.memory_bytes, &l.output_bytes, &l.file_bytes, &l.open_files,
                          &l.threads, &l.processes,
                          &l.stack_bytes, &l.int_digits, &stdin_bytes, &stdin_len, &results,
                          &fault.stage, &fault.err))
        return NULL;
    struct sv_pool *pool = pool_of(pool_capsule);
    if (pool == NULL)
        return NULL;
    const char **row_blobs = NULL, **cell_blobs = NULL;
    size_t *row_lens = NULL, *cell_lens = NULL;
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL)
        return PyErr_NoMemory();
    size_t cell_total = (size_t)PyList_Size(rows) * cell_count, wanted = cell_total * 6 + cell_count;
    if (blobs_of(rows, &row_blobs, &row_lens) != 0 || blobs_of(cells, &cell_blobs, &cell_lens) != 0 ||
        PyObject_GetBuffer(results, &j->results, PyBUF_WRITABLE) != 0)
        goto out;
    if ((size_t)j->results.len < wanted || (uintptr_t)j->results.buf % 4 != 0 ||
        zygotes_len != PyList_Size(rows)) {
        PyErr_SetString(PyExc_ValueError, "results too small for rows x cells, or not aligned");
        goto out;
    }
    struct sv_job_spec spec = {
        .kind = (enum sv_kind)kind,
        .judge = (enum sv_judge)judge,
        .rows = (uint32_t)PyList_Size(rows),
        .cells = cell_count,
        .workers = workers,
        .row_blobs = row_blobs,
        .row_lens = row_lens,
        .row_zygotes = (const uint8_t *)zygotes,
        .cell_blobs = cell_blobs,
        .cell_lens = cell_lens,
        .cell_blob_count = (uint32_t)PyList_Size(cells),
        .limits = l,
        .stdin_bytes = stdin_bytes,
        .stdin_len = (size_t)stdin_len,
        .cpu_us = j->results.buf, /* first, for its alignment */
        .verdict = (uint8_t *)j->results.buf + cell_total * 4,
        .trust = (uint8_t *)j->results.buf + cell_total * 5,
        .vacuous = (uint8_t *)j->results.buf + cell_total * 6,
        .fault = fault,
    };
    j->rows = spec.rows;
    j->cells = spec.cells;
    j->owner = getpid();
    j->job = sv_pool_submit(pool, &spec);
    if (j->job == NULL) {
        PyErr_SetFromErrno(PyExc_OSError);
        goto out;
    }
    Py_INCREF(pool_capsule);
    j->pool = pool_capsule;
    result = PyCapsule_New(j, JOB, job_destroy);
out:
    if (result == NULL && j->job == NULL) {
        if (j->results.obj != NULL)
            PyBuffer_Release(&j->results);
        free(j);
    }
    free(row_blobs);
    free(row_lens);
    free(cell_blobs);
    free(cell_lens);
    return result;
}

static PyObject *job_rows_done(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct job *j = PyCapsule_GetPointer(capsule, JOB);
    return j == NULL ? NULL : PyLong_FromUnsignedLong(sv_job_rows_finished(j->job));
}

static PyObject *job_wait(PyObject *self, PyObject *args)
{
    (void)self;
    const uint64_t look_ns = 50000000; /* at signals: Ctrl-C */
    PyObject *capsule;
    double timeout_s;
    if (!PyArg_ParseTuple(args, "Od", &capsule, &timeout_s))
        return NULL;
    struct job *j = PyCapsule_GetPointer(capsule, JOB);
    if (j == NULL)
        return NULL;
    const uint64_t began = sv_now_ns();
    const double longest_ns = timeout_s < 0 || timeout_s > 1e9 ? 1e18 : timeout_s * 1e9;
    int over;
    for (;;) {
        const double left = longest_ns - (double)(sv_now_ns() - began);
        Py_BEGIN_ALLOW_THREADS
        over = sv_job_wait(j->job, left < 0 ? 0 : left < (double)look_ns ? (uint64_t)left : look_ns);
        Py_END_ALLOW_THREADS
        if (over || left <= 0)
            return PyBool_FromLong(over);
        if (PyErr_CheckSignals() != 0)
            return NULL;
    }
}

static const char *const BELL = "sv_sandbox.bell";

static void bell_destroy(PyObject *capsule)
{
    struct sv_bell *bell = PyCapsule_GetPointer(capsule, BELL);
    if (bell != NULL)
        sv_bell_release(bell);
}

static PyObject *bell_new(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    struct sv_bell *bell = sv_bell_new();
    if (bell == NULL)
        return PyErr_SetFromErrno(PyExc_OSError);
    PyObject *capsule = PyCapsule_New(bell, BELL, bell_destroy);
    if (capsule == NULL)
        sv_bell_release(bell);
    return capsule;
}

static PyObject *bell_fd(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct sv_bell *bell = PyCapsule_GetPointer(capsule, BELL);
    return bell == NULL ? NULL : PyLong_FromLong(sv_bell_fd(bell));
}

static PyObject *bell_take(PyObject *self, PyObject *capsule)
{
    (void)self;
    uint64_t tokens[64];
    size_t n = 64;
    struct sv_bell *bell = PyCapsule_GetPointer(capsule, BELL);
    PyObject *list = bell == NULL ? NULL : PyList_New(0);
    while (list != NULL && n == 64) {
        n = sv_bell_take(bell, tokens, 64);
        for (size_t i = 0; i < n && list != NULL; i++) {
            PyObject *token = PyLong_FromUnsignedLongLong(tokens[i]);
            if (token == NULL || PyList_Append(list, token) != 0)
                Py_CLEAR(list);
            Py_XDECREF(token);
        }
    }
    return list;
}

static PyObject *job_ring(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *job_capsule, *bell_capsule;
    unsigned long long token;
    if (!PyArg_ParseTuple(args, "OOK", &job_capsule, &bell_capsule, &token))
        return NULL;
    struct job *j = PyCapsule_GetPointer(job_capsule, JOB);
    struct sv_bell *bell = j == NULL ? NULL : PyCapsule_GetPointer(bell_capsule, BELL);
    if (bell == NULL)
        return NULL;
    int r = sv_job_ring(j->job, bell, token);
    return r < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyBool_FromLong(r);
}

static PyObject *job_cancel(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct job *j = PyCapsule_GetPointer(capsule, JOB);
    if (j == NULL)
        return NULL;
    cancel(j);
    Py_RETURN_NONE;
}

static PyObject *job_details(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *capsule, *text = NULL;
    unsigned row, first, last;
    if (!PyArg_ParseTuple(args, "OIII", &capsule, &row, &first, &last))
        return NULL;
    struct job *j = PyCapsule_GetPointer(capsule, JOB);
    PyObject *details = j == NULL ? NULL : PyDict_New();
    const char *before = NULL;
    for (uint32_t cell = first; details != NULL && cell < last && cell < j->cells; cell++) {
        uint32_t len;
        const char *bytes = sv_job_detail(j->job, row, cell, &len);
        if (len == 0)
            continue;
        if (bytes != before) { /* neighbours that fail alike share one */
            Py_XDECREF(text);
            text = PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)len, "replace");
            before = bytes;
        }
        PyObject *number = text == NULL ? NULL : PyLong_FromUnsignedLong(cell);
        if (number == NULL || PyDict_SetItem(details, number, text) != 0)
            Py_CLEAR(details);
        Py_XDECREF(number);
    }
    Py_XDECREF(text);
    return details;
}

static PyObject *job_result(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct job *j = PyCapsule_GetPointer(capsule, JOB);
    if (j == NULL)
        return NULL;
    size_t out_len, err_len;
    const char *out = sv_job_output(j->job, 0, &out_len), *err = sv_job_output(j->job, 1, &err_len);
    const struct sv_done *done = sv_job_done(j->job);
    return Py_BuildValue("iKKKy#y#", done->wait_status, done->cpu_us, done->wall_us,
                         done->max_rss_bytes, out, (Py_ssize_t)out_len, err, (Py_ssize_t)err_len);
}

static PyMethodDef methods[] = {
    {"pool_new", pool_new, METH_VARARGS, "pool_new(commands, environment, group, workers, fault, recycle) -> pool"},
    {"pool_close", pool_close, METH_O, "pool_close(pool): stops and joins every worker"},
    {"pool_probe", pool_probe, METH_VARARGS,
     "pool_probe(pool, zygote, or PLACE_KEEPER and it) -> (stage, errno, layers, landlock_errno, userns_errno)"},
    {"remove_tree", remove_tree, METH_O, "remove_tree(path: bytes)"},
    {"pool_zygote", pool_zygote, METH_VARARGS, "pool_zygote(pool, zygote) -> pid, or 0"},
    {"pool_statistics", pool_statistics, METH_O, "pool_statistics(pool) -> dict"},
    {"pool_submit", pool_submit, METH_VARARGS,
     "pool_submit(pool, kind, judge, rows, zygotes, cells, n, workers, limits, stdin, results, fault)"
     " -> job"},
    {"job_rows_done", job_rows_done, METH_O, "job_rows_done(job) -> int"},
    {"job_wait", job_wait, METH_VARARGS, "job_wait(job, timeout_s) -> whether it has ended; < 0: for ever"},
    {"job_ring", job_ring, METH_VARARGS,
     "job_ring(job, bell, token) -> False when it has ended already, and nothing will ring"},
    {"bell_new", bell_new, METH_NOARGS, "bell_new() -> bell"},
    {"bell_fd", bell_fd, METH_O, "bell_fd(bell) -> int: readable when jobs have ended"},
    {"bell_take", bell_take, METH_O, "bell_take(bell) -> tokens of the jobs that have ended since"},
    {"job_cancel", job_cancel, METH_O, "job_cancel(job): rows not begun stay holes"},
    {"job_details", job_details, METH_VARARGS, "job_details(job, row, first, last) -> dict of those that are not empty"},
    {"job_result", job_result, METH_O,
     "job_result(job) -> (wait_status, cpu_us, wall_us, max_rss_bytes, stdout, stderr)"},
    {NULL, NULL, 0, NULL},
};

int sv_client_add(PyObject *module)
{
    return PyModule_AddFunctions(module, methods);
}
