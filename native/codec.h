/* codec.h - plain data as bytes: what crosses between a solution's process and a test's.
 *
 * encode.c writes, decode.c reads, changes.c notices what was changed, sight.c looks at code; beside
 * module.c they alone know Python.h (stable ABI of CPython 3.11). They decide nothing about types beyond the built-in ones:
 * `other` and `build`, from jailed/values.py, have the table.
 *
 * A value is one byte that says what follows, then lengths (LEB128), bytes (numbers little-endian)
 * and values. Bytes from SMALL_LOWEST on are small ints. Nesting lives in frames on the heap, so no
 * value and no message can use up a stack: no function here calls itself.
 */
#ifndef SV_CODEC_H
#define SV_CODEC_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#define MAX_DEPTH 2000    /* containers within containers */
#define MAX_KEY_DEPTH 200 /* the same below a set's item or a dict's key: CPython hashes and compares
                           * these by recursion, without a limit that fits a thread of 256 KB */
#define MAX_BYTES (64 << 20)
#define MAX_TAG 0xffff
#define SIGNALS_EVERY 1024 /* values between two looks for signals */

enum kind {
    NONE, FALSE, TRUE, ELLIPSIS, NOT_IMPLEMENTED, INT1, INT2, INT4, INT8, BIG, FLOAT, COMPLEX, STR,
    BYTES, BYTEARRAY, LIST, TUPLE, SET, FROZENSET, DICT, SLICE, RANGE, REFERENCE, TABLE, MUTABLE_TABLE,
};
#define SMALL_LOWEST 64 /* and what this byte stands for: */
#define SMALL_BASE (-32)

/* ---- codec.c: what the three share ---------------------------------------------------------------- */

extern PyObject *sv_codec_error, *sv_unencodable;
extern PyObject *sv_signed; /* {"signed": True}: of int.to_bytes and int.from_bytes */

/* Adds all of it to the module. 0, or -1 with an exception. */
int sv_codec_add(PyObject *module);

/* Whether it is a list; if not, with an exception. */
bool sv_is_list(PyObject *object);

/* Takes the numbers from `known` on back, and keeps the exception that is set. */
void sv_forget_from(PyObject *containers, Py_ssize_t known);

/* Room for one more of `size` bytes each. The array (moved), or NULL with an exception. */
void *sv_grown(void *array, size_t used, size_t *room, size_t size);

static inline uint64_t sv_mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio */
    return sum ^ sum >> 29;
}

/* ---- encode.c, decode.c ------------------------------------------------------------------------- */

PyObject *sv_encode(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *sv_decode(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* int.from_bytes, and what stands in `containers` for an object whose parts are being read. 0 or -1. */
int sv_decode_ready(void);

/* ---- changes.c ------------------------------------------------------------------------------------ */

/* What a built-in container holds now, in its order, as a tuple (a dict: key, value, key, value); a
 * bytearray as bytes. New reference, or NULL: with an exception, or without for anything else. */
PyObject *sv_contents(PyObject *object);

PyObject *sv_snapshot(PyObject *self, PyObject *containers);
PyObject *sv_changed(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* ---- sight.c -------------------------------------------------------------------------------------- */

PyObject *sv_at_sight(PyObject *self, PyObject *const *args, Py_ssize_t count);

#endif
