/* job.c - a job: what is asked, its results, and who is told when it is done.
 *
 * In: a specification, which is copied; rows that end.  Out: cells in the caller's arrays, details,
 * the end. Invariants: a cell is written by one worker, once; who waits is told when the last row is
 * done, by a condition (sv_job_wait) or by a bell (one descriptor for all jobs that an event loop
 * waits for), and no job holds a descriptor of its own.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int sv_append(struct output *o, const void *bytes, size_t n)
{
    if (o->len + n > o->cap) {
        size_t cap = o->cap == 0 ? 4096 : o->cap;
        while (cap < o->len + n)
            cap *= 2;
        char *grown = realloc(o->bytes, cap);
        if (grown == NULL)
            return -1;
        o->bytes = grown;
        o->cap = cap;
    }
    if (n > 0)
        memcpy(o->bytes + o->len, bytes, n);
    o->len += n;
    return 0;
}

int sv_unwanted(struct sv_job *job)
{
    return atomic_load(&job->cancelled) || atomic_load(&job->pool->stop);
}

/* ---- its life ------------------------------------------------------------------------------------- */

static int is_possible(const struct sv_job_spec *spec, int zygotes)
{
    if (spec->rows == 0 || spec->cells == 0 || spec->cells > SV_MAX_CELLS ||
        spec->limits.cpu_us == 0 || spec->limits.wall_us == 0)
        return 0;
    for (uint32_t i = 0; i < spec->rows; i++)
        if (spec->row_zygotes[i] >= zygotes)
            return 0;
    return 1;
}

/* Copies `count` blobs to `*at`, and says in the two arrays where they are. */
static void copy_blobs(char **at, const char *const *from, const size_t *lens, uint32_t count,
                       const char **blobs, size_t *blob_lens)
{
    for (uint32_t i = 0; i < count; i++) {
        if (lens[i] > 0)
            memcpy(*at, from[i], lens[i]);
        blobs[i] = *at;
        blob_lens[i] = lens[i];
        *at += lens[i];
    }
}

struct sv_job *sv_job_new(struct sv_pool *pool, const struct sv_job_spec *spec)
{
    size_t bytes = spec->stdin_len, cells = (size_t)spec->rows * spec->cells;
    if (!is_possible(spec, pool->zygotes)) {
        errno = EINVAL;
        return NULL;
    }
    for (uint32_t i = 0; i < spec->rows; i++)
        bytes += spec->row_lens[i];
    for (uint32_t i = 0; i < spec->cell_blob_count; i++)
        bytes += spec->cell_lens[i];
    struct sv_job *job = calloc(1, sizeof *job);
    pthread_condattr_t monotonic;
    if (job == NULL)
        return NULL;
    job->pool = pool;
    job->kind = spec->kind;
    job->judge = spec->kind == SV_KIND_PROGRAM ? SV_JUDGE_INLINE : spec->judge;
    job->rows = spec->rows;
    job->cells = spec->cells;
    job->workers = spec->workers;
    job->cell_blob_count = spec->cell_blob_count;
    job->limits = spec->limits;
    job->fault = spec->fault;
    job->verdict = spec->verdict;
    job->cpu_us = spec->cpu_us;
    job->trust = spec->trust;
    job->vacuous = spec->vacuous;
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&job->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    job->blob_bytes = malloc(bytes + 1);
    job->row_blobs = calloc(spec->rows, sizeof *job->row_blobs);
    job->row_lens = calloc(spec->rows, sizeof *job->row_lens);
    job->row_zygotes = calloc(spec->rows, 1);
    job->cell_blobs = calloc(spec->cell_blob_count + 1u, sizeof *job->cell_blobs);
    job->cell_lens = calloc(spec->cell_blob_count + 1u, sizeof *job->cell_lens);
    job->detail_at = calloc(cells, sizeof *job->detail_at);
    if (job->blob_bytes == NULL || job->row_blobs == NULL || job->row_lens == NULL ||
        job->row_zygotes == NULL || job->cell_blobs == NULL || job->cell_lens == NULL ||
        job->detail_at == NULL || sv_append(&job->details, "", 1) != 0) {
        sv_job_free(job);
        errno = ENOMEM;
        return NULL;
    }
    char *at = job->blob_bytes;
    copy_blobs(&at, spec->row_blobs, spec->row_lens, spec->rows, job->row_blobs, job->row_lens);
    copy_blobs(&at, spec->cell_blobs, spec->cell_lens, spec->cell_blob_count, job->cell_blobs,
               job->cell_lens);
    job->stdin_bytes = at;
    job->stdin_len = spec->stdin_len;
    if (spec->stdin_len > 0)
        memcpy(at, spec->stdin_bytes, spec->stdin_len);
    for (uint32_t i = 0; i < spec->rows; i++) {
        job->row_zygotes[i] = spec->row_zygotes[i];
        if (spec->row_zygotes[i] > job->judge_zygote)
            job->judge_zygote = spec->row_zygotes[i];
    }
    return job;
}

void sv_job_free(struct sv_job *job)
{
    /* The owner frees only what is done (or was never queued): the binding waits first. */
    free(job->blob_bytes);
    free(job->row_blobs);
    free(job->row_lens);
    free(job->row_zygotes);
    free(job->cell_blobs);
    free(job->cell_lens);
    free(job->detail_at);
    free(job->details.bytes);
    free(job->out[0].bytes);
    free(job->out[1].bytes);
    pthread_cond_destroy(&job->ended);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* ---- its end -------------------------------------------------------------------------------------- */

struct sv_bell {
    pthread_mutex_t lock;
    int fd;           /* eventfd; readable while there are tokens */
    unsigned owners;  /* the caller, and each job that is to ring */
    uint64_t *tokens; /* rung and not yet taken */
    size_t len, expected, cap;
};

struct ring {
    struct sv_bell *bell;
    uint64_t token;
    struct ring *next;
};

struct sv_bell *sv_bell_new(void)
{
    struct sv_bell *bell = calloc(1, sizeof *bell);
    if (bell == NULL)
        return NULL;
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell->fd < 0) {
        free(bell);
        return NULL;
    }
    bell->owners = 1;
    pthread_mutex_init(&bell->lock, NULL);
    return bell;
}

int sv_bell_fd(const struct sv_bell *bell)
{
    return bell->fd;
}

void sv_bell_release(struct sv_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    const unsigned left = --bell->owners;
    pthread_mutex_unlock(&bell->lock);
    if (left > 0)
        return;
    close(bell->fd);
    pthread_mutex_destroy(&bell->lock);
    free(bell->tokens);
    free(bell);
}

/* Room for one more token, so that ringing cannot fail. */
static int expect(struct sv_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    if (bell->len + bell->expected >= bell->cap) {
        const size_t cap = bell->cap == 0 ? 16 : 2 * bell->cap;
        uint64_t *grown = realloc(bell->tokens, cap * sizeof *grown);
        if (grown != NULL) {
            bell->tokens = grown;
            bell->cap = cap;
        }
    }
    const int fits = bell->len + bell->expected < bell->cap;
    bell->expected += (size_t)fits;
    bell->owners += (unsigned)fits;
    pthread_mutex_unlock(&bell->lock);
    return fits ? 0 : -1;
}

static void ring(struct sv_bell *bell, uint64_t token)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&bell->lock);
    bell->expected--;
    bell->tokens[bell->len++] = token;
    ssize_t n = write(bell->fd, &one, sizeof one);
    (void)n; /* an eventfd of ours with room: cannot fail */
    pthread_mutex_unlock(&bell->lock);
    sv_bell_release(bell);
}

size_t sv_bell_take(struct sv_bell *bell, uint64_t *tokens, size_t max)
{
    uint64_t counted;
    pthread_mutex_lock(&bell->lock);
    const size_t n = bell->len < max ? bell->len : max;
    for (size_t i = 0; i < n; i++)
        tokens[i] = bell->tokens[bell->len - n + i];
    bell->len -= n;
    if (bell->len == 0) {
        ssize_t got = read(bell->fd, &counted, sizeof counted);
        (void)got; /* EAGAIN: it was silent */
    }
    pthread_mutex_unlock(&bell->lock);
    return n;
}

int sv_job_ring(struct sv_job *job, struct sv_bell *bell, uint64_t token)
{
    struct ring *r = malloc(sizeof *r);
    if (r == NULL || expect(bell) != 0) {
        free(r);
        errno = ENOMEM;
        return -1;
    }
    *r = (struct ring){.bell = bell, .token = token};
    pthread_mutex_lock(&job->lock);
    const int over = job->over;
    if (!over) {
        r->next = job->rings;
        job->rings = r;
    }
    pthread_mutex_unlock(&job->lock);
    if (over) {
        pthread_mutex_lock(&bell->lock);
        bell->expected--;
        pthread_mutex_unlock(&bell->lock);
        sv_bell_release(bell);
        free(r);
    }
    return !over;
}

int sv_job_wait(struct sv_job *job, uint64_t timeout_ns)
{
    const uint64_t until = sv_now_ns() + timeout_ns;
    const struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
    int rc = 0;
    pthread_mutex_lock(&job->lock);
    while (!job->over && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&job->ended, &job->lock, &t);
    const int over = job->over;
    pthread_mutex_unlock(&job->lock);
    return over;
}

void sv_finish_row(struct sv_job *job)
{
    if (atomic_fetch_add(&job->rows_finished, 1) + 1 == job->rows) {
        pthread_mutex_lock(&job->lock);
        struct ring *rings = job->rings;
        job->rings = NULL;
        job->over = 1;
        pthread_cond_broadcast(&job->ended);
        pthread_mutex_unlock(&job->lock);
        while (rings != NULL) {
            struct ring *next = rings->next;
            ring(rings->bell, rings->token);
            free(rings);
            rings = next;
        }
    }
    atomic_fetch_add(&job->rows_done, 1); /* when all are, the owner may free the job */
}

/* ---- its results ---------------------------------------------------------------------------------- */

uint32_t sv_job_rows_finished(struct sv_job *job)
{
    return atomic_load(&job->rows_finished);
}

uint32_t sv_job_rows_done(struct sv_job *job)
{
    return atomic_load(&job->rows_done);
}

void sv_job_cancel(struct sv_job *job)
{
    atomic_store(&job->cancelled, 1);
}

const char *sv_job_detail(struct sv_job *job, uint32_t row, uint32_t cell, uint32_t *len)
{
    const char *text = "";
    *len = 0;
    if (row >= job->rows || cell >= job->cells)
        return text;
    pthread_mutex_lock(&job->lock);
    uint32_t at = job->detail_at[(size_t)row * job->cells + cell];
    if (at != 0) {
        uint16_t len16;
        memcpy(&len16, job->details.bytes + at, sizeof len16);
        text = job->details.bytes + at + sizeof len16;
        *len = len16;
    }
    pthread_mutex_unlock(&job->lock);
    return text;
}

uint32_t sv_copy_detail(struct sv_job *job, uint32_t row, uint32_t cell, char *to, uint32_t room)
{
    const uint32_t at = job->detail_at[(size_t)row * job->cells + cell];
    uint16_t len = 0;
    pthread_mutex_lock(&job->lock);
    if (at != 0) {
        memcpy(&len, job->details.bytes + at, sizeof len);
        len = len < room ? len : (uint16_t)room;
        memcpy(to, job->details.bytes + at + sizeof len, len);
    }
    pthread_mutex_unlock(&job->lock);
    return len;
}

const struct sv_done *sv_job_done(struct sv_job *job)
{
    return &job->done;
}

const char *sv_job_output(struct sv_job *job, int which, size_t *len)
{
    *len = job->out[which].len;
    return job->out[which].bytes != NULL ? job->out[which].bytes : "";
}

static void store_detail(struct sv_job *job, size_t cell, const char *text, uint32_t len,
                         uint32_t *last)
{
    /* Neighbours often fail alike: an equal detail is stored once. */
    if (*last != 0) {
        uint16_t last_len;
        memcpy(&last_len, job->details.bytes + *last, sizeof last_len);
        if (last_len == len && memcmp(job->details.bytes + *last + sizeof last_len, text, len) == 0) {
            job->detail_at[cell] = *last;
            return;
        }
    }
    uint16_t len16 = (uint16_t)len;
    size_t at = job->details.len;
    if (at + sizeof len16 + len > UINT32_MAX || sv_append(&job->details, &len16, sizeof len16) != 0)
        return; /* a verdict without its explanation */
    if (sv_append(&job->details, text, len) != 0) {
        job->details.len = at;
        return;
    }
    job->detail_at[cell] = *last = (uint32_t)at;
}

void sv_settle_cell(struct sv_job *job, uint32_t row, uint32_t cell, uint8_t verdict, uint64_t cpu_us,
                    enum sv_trust trust, const char *detail, uint32_t len, uint32_t *last_detail)
{
    size_t at = (size_t)row * job->cells + cell;
    if (verdict == SV_INFRA)
        return; /* stays a hole */
    if (verdict > SV_EARLY_EXIT)
        verdict = SV_FORBIDDEN; /* nobody honest writes that */
    if (cpu_us > job->limits.cpu_us)
        verdict = SV_TIMEOUT; /* an answer that comes late is late */
    job->cpu_us[at] = cpu_us > UINT32_MAX ? UINT32_MAX : (uint32_t)cpu_us;
    job->trust[at] = (uint8_t)trust;
    job->verdict[at] = verdict;
    if (len > 0 && (verdict != SV_PASS || trust < SV_TRUST_PROVEN)) {
        pthread_mutex_lock(&job->lock);
        store_detail(job, at, detail, len, last_detail);
        pthread_mutex_unlock(&job->lock);
    }
}

void sv_leave_out(struct sv_job *job, uint32_t row, uint32_t cell, const char *why, uint32_t len)
{
    uint32_t last = 0;
    const size_t at = (size_t)row * job->cells + cell;
    job->trust[at] = SV_TRUST_INLINE;
    pthread_mutex_lock(&job->lock);
    store_detail(job, at, why, len, &last);
    pthread_mutex_unlock(&job->lock);
}

void sv_explain_holes(struct sv_job *job, uint32_t row, struct sv_error error)
{
    char text[SV_DETAIL_MAX];
    uint32_t last = 0;
    const char *plainly = error.err == EMFILE
                              ? " (this process has no descriptor left: RLIMIT_NOFILE, `ulimit -n`)"
                              : "";
    int len = error.stage == 0
                  ? snprintf(text, sizeof text, "killed from outside the sandbox (SIGKILL)")
                  : snprintf(text, sizeof text, "sandbox failed at %s: %s%s",
                             sv_stage_name((enum sv_stage)error.stage), strerrordesc_np(error.err), plainly);
    size_t base = (size_t)row * job->cells;
    pthread_mutex_lock(&job->lock);
    for (uint32_t i = 0; i < job->cells; i++)
        if (job->verdict[base + i] == SV_INFRA)
            store_detail(job, base + i, text, (uint32_t)len, &last);
    pthread_mutex_unlock(&job->lock);
}

