/* pool.c - worker threads in the client: hand rows to templates, copy verdicts out.
 *
 * In: jobs (rows x cells) with the caller's verdict and CPU-time arrays.  Out: those arrays filled,
 * an eventfd written once when a job is done.  Invariants: a cell is written once, after every
 * process of its row is gone; a row whose template failed is tried again in a new one, and what
 * still fails stays a hole (SV_INFRA) with the address of the failure as its detail; a job always
 * completes. One thread per worker, plain blocking code; no Python, no GIL.
 */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTEMPTS 3
#define POLL_MS 200
#define HUNG_NS 10000000000ull  /* a template that says nothing for so long (it ticks each second) */
#define SPAWN_MS 20000
#define BROKEN_AFTER 6          /* consecutive failed spawns: the machine, not bad luck */

struct template {
    int control; /* -1: none */
    int pidfd;
    uint32_t serial;
};

struct output {
    char *bytes;
    size_t len, cap;
};

struct sv_job {
    struct sv_pool *pool;
    struct sv_job *next;
    enum sv_kind kind;
    uint32_t rows, cells, cell_blob_count;
    char *blob_bytes;
    const char **row_blobs, **cell_blobs;
    size_t *row_lens, *cell_lens;
    uint8_t *row_zygotes;
    struct sv_limits limits;
    struct sv_fault fault;
    int stdin_fd;
    uint8_t *verdict;
    uint32_t *cpu_us;
    int done_fd;
    uint32_t next_row;
    atomic_uint rows_done;
    atomic_int cancelled;
    /* details: per cell an offset into `details` (0: none), where a uint16 length precedes the text */
    pthread_mutex_t details_lock;
    uint32_t *detail_at;
    struct output details;
    struct sv_done done; /* of a program */
    struct output out[2];
};

struct worker {
    struct sv_pool *pool;
    pthread_t thread;
    uint32_t index;
    uint32_t spawned;
    int memfd;
    struct sv_region *region;
    struct sv_region_used used;
    pthread_mutex_t lock; /* guards pidfds against sv_pool_close */
    struct template templates[SV_MAX_ZYGOTES];
};

struct sv_pool {
    pthread_mutex_t lock; /* guards the queue, stop, statistics */
    pthread_cond_t work;
    struct sv_job *first;
    int stop;
    pthread_mutex_t zygote_lock[SV_MAX_ZYGOTES];
    int zygote[SV_MAX_ZYGOTES];
    int zygotes;
    struct sv_statistics statistics;
    struct sv_fault spawn_fault;
    atomic_uint spawn_faults_left;
    atomic_uint failed_spawns;
    uint32_t workers;
    struct worker *worker;
};

/* ---- small helpers ----------------------------------------------------------------------------- */

static int append(struct output *o, const void *bytes, size_t n)
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

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void count(struct sv_pool *pool, uint64_t *counter)
{
    pthread_mutex_lock(&pool->lock);
    (*counter)++;
    pthread_mutex_unlock(&pool->lock);
}

/* ---- templates --------------------------------------------------------------------------------- */

static void retire(struct worker *w, struct template *t)
{
    pthread_mutex_lock(&w->lock);
    if (t->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, t->pidfd, SIGKILL, NULL, 0); /* ESRCH: already gone */
    close_fd(&t->pidfd);
    close_fd(&t->control);
    pthread_mutex_unlock(&w->lock);
}

/* Receives one message within SPAWN_MS. */
static int await(int sock, void *msg, size_t len, int *fds, int nfds)
{
    struct pollfd p = {.fd = sock, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, SPAWN_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    if (n <= 0)
        return -1;
    ssize_t got = sv_recv(sock, msg, len, fds, nfds);
    if (got == 0)
        errno = ECONNRESET; /* it died before it could say why */
    return got > 0 ? 0 : -1;
}

static struct sv_error spawn(struct worker *w, int zygote, struct sv_ready *ready)
{
    struct sv_pool *pool = w->pool;
    struct template *t = &w->templates[zygote];
    struct sv_error error = {0, 0};
    struct sv_spawned spawned = {.pid = -1};
    int pair[2] = {-1, -1}, pidfd = -1;

    /* A uid of its own for every template of every worker, so that none can signal another even
     * where it is outside a pid namespace. */
    struct sv_spawn request = {.uid_offset = (int32_t)(w->index * SV_MAX_ZYGOTES + (uint32_t)zygote)};
    unsigned left = atomic_load(&pool->spawn_faults_left);
    while (left > 0 && !atomic_compare_exchange_weak(&pool->spawn_faults_left, &left, left - 1))
        ;
    if (left > 0)
        request.fault = pool->spawn_fault;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        error = (struct sv_error){SV_STAGE_CLONE, errno};
        goto out;
    }
    int fds[2] = {pair[1], w->memfd};
    pthread_mutex_lock(&pool->zygote_lock[zygote]);
    int failed = sv_send(pool->zygote[zygote], &request, sizeof request, fds, 2) != 0 ||
                 await(pool->zygote[zygote], &spawned, sizeof spawned, &pidfd, 1) != 0;
    int saved = errno;
    pthread_mutex_unlock(&pool->zygote_lock[zygote]);
    close_fd(&pair[1]);
    if (failed)
        error = (struct sv_error){SV_STAGE_CLONE, saved};
    else if (spawned.error.stage != 0)
        error = spawned.error;
    else if (await(pair[0], ready, sizeof *ready, NULL, 0) != 0)
        error = (struct sv_error){SV_STAGE_READY, errno};
    else
        error = ready->error;
out:
    if (error.stage != 0) {
        if (pidfd >= 0)
            (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        close_fd(&pidfd);
        close_fd(&pair[0]);
        atomic_fetch_add(&pool->failed_spawns, 1);
        return error;
    }
    atomic_store(&pool->failed_spawns, 0);
    count(pool, &pool->statistics.templates);
    pthread_mutex_lock(&w->lock);
    t->pidfd = pidfd;
    t->control = pair[0];
    t->serial = 0;
    pthread_mutex_unlock(&w->lock);
    w->spawned++;
    return error;
}

/* ---- one row ------------------------------------------------------------------------------------ */

struct attempt {
    struct sv_error error;
    struct sv_done done;
};

/* Reads what is there; returns 1 when the pipe has more to come, 0 when it is closed or empty. */
static int drain(int *fd, struct sv_job *job, int which, uint64_t *seen)
{
    char buffer[16384];
    for (;;) {
        ssize_t n = read(*fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return 1; /* EAGAIN */
        if (n == 0) {
            close_fd(fd);
            return 0;
        }
        uint64_t room = *seen < job->limits.output_bytes ? job->limits.output_bytes - *seen : 0;
        size_t kept = (uint64_t)n < room ? (size_t)n : (size_t)room;
        *seen += (uint64_t)n;
        if (job->kind == SV_KIND_PROGRAM && kept > 0)
            (void)append(&job->out[which], buffer, kept); /* out of memory: output is cut, not lost silently: `seen` counts */
        if (*seen > job->limits.output_bytes)
            return 1;
    }
}

static int fill_region(struct worker *w, struct sv_job *job, uint32_t row)
{
    struct sv_region *region = w->region;
    region->kind = (uint32_t)job->kind;
    region->cells = job->cells;
    if (sv_region_put(region, job->row_blobs[row], job->row_lens[row]) != 0)
        return -1;
    for (uint32_t i = 0; i < job->cell_blob_count; i++)
        if (sv_region_put(region, job->cell_blobs[i], job->cell_lens[i]) != 0)
            return -1;
    return 0;
}

/* Sends the row, from cell `start` on, and waits for its end. On return the template is either idle or retired. */
static struct attempt run_from(struct worker *w, struct sv_job *job, uint32_t row, uint32_t start)
{
    struct attempt a = {.error = {0, 0}};
    struct template *t = &w->templates[job->row_zygotes[row]];
    struct sv_command command = {.order = 0, .run = {.start = start, .limits = job->limits, .fault = job->fault}};
    int out[2] = {-1, -1}, err[2] = {-1, -1}, null = -1;
    uint64_t seen = 0;
    int ordered = 0;
    uint32_t payload_len = 0;

    if (t->control < 0) {
        struct sv_ready ready;
        a.error = spawn(w, job->row_zygotes[row], &ready);
        if (a.error.stage != 0)
            return a;
    }
    command.serial = ++t->serial;
    if ((start == 0 && fill_region(w, job, row) != 0) || pipe2(out, O_CLOEXEC) != 0 ||
        (job->kind == SV_KIND_PROGRAM && pipe2(err, O_CLOEXEC) != 0) ||
        (job->stdin_fd < 0 && (null = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) ||
        fcntl(out[0], F_SETFL, O_NONBLOCK) != 0 ||
        (err[0] >= 0 && fcntl(err[0], F_SETFL, O_NONBLOCK) != 0)) {
        a.error = (struct sv_error){SV_STAGE_PAYLOAD, errno};
        goto out;
    }
    payload_len = w->region->payload_len;
    int fds[3] = {job->stdin_fd >= 0 ? job->stdin_fd : null, out[1], err[1] >= 0 ? err[1] : out[1]};
    if (sv_send(t->control, &command, sizeof command, fds, 3) != 0) {
        a.error = (struct sv_error){SV_STAGE_FORK, errno};
        goto out;
    }
    close_fd(&out[1]);
    close_fd(&err[1]);

    uint64_t alive_ns = sv_now_ns();
    for (;;) {
        struct pollfd polled[3] = {{.fd = t->control, .events = POLLIN},
                                   {.fd = out[0], .events = POLLIN},
                                   {.fd = err[0], .events = POLLIN}};
        int n = poll(polled, 3, POLL_MS);
        if (n < 0 && errno != EINTR) {
            a.error = (struct sv_error){SV_STAGE_REPLY, errno};
            break;
        }
        uint64_t now = sv_now_ns();
        if (out[0] >= 0 && polled[1].revents != 0)
            (void)drain(&out[0], job, 0, &seen);
        if (err[0] >= 0 && polled[2].revents != 0)
            (void)drain(&err[0], job, 1, &seen);
        if (n > 0 && polled[0].revents != 0) {
            alive_ns = now;
            ssize_t got = sv_recv(t->control, &a.done, sizeof a.done, NULL, 0);
            if (got <= 0) {
                a.error = (struct sv_error){SV_STAGE_REPLY, got == 0 ? ECONNRESET : errno};
                break;
            }
            if (a.done.serial == command.serial || a.done.error.stage != 0) {
                a.error = a.done.error;
                break;
            }
        }
        if (now - alive_ns > HUNG_NS) {
            a.error = (struct sv_error){SV_STAGE_REPLY, ETIMEDOUT};
            break;
        }
        int over = seen > job->limits.output_bytes, stop = atomic_load(&job->cancelled);
        if ((over || stop) && !ordered) {
            struct sv_command order = {.order = over ? SV_ORDER_OUTPUT : SV_ORDER_ABORT,
                                       .serial = command.serial};
            ordered = 1;
            if (sv_send(t->control, &order, sizeof order, NULL, 0) != 0) {
                a.error = (struct sv_error){SV_STAGE_REPLY, errno};
                break;
            }
        }
    }
    if (out[0] >= 0)
        (void)drain(&out[0], job, 0, &seen);
    if (err[0] >= 0)
        (void)drain(&err[0], job, 1, &seen);
out:
    close_fd(&out[0]);
    close_fd(&out[1]);
    close_fd(&err[0]);
    close_fd(&err[1]);
    close_fd(&null);
    if (a.error.stage != 0 || a.done.dirty != 0) {
        retire(w, t); /* a touched scratch is never cleaned: its template goes, and it with it */
        if (a.error.stage == 0)
            count(w->pool, &w->pool->statistics.recycled);
    }
    w->region->payload_len = payload_len; /* the subject's word is not taken for it */
    return a;
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
    if (at + sizeof len16 + len > UINT32_MAX || append(&job->details, &len16, sizeof len16) != 0)
        return; /* a verdict without its explanation */
    if (append(&job->details, text, len) != 0) {
        job->details.len = at;
        return;
    }
    job->detail_at[cell] = *last = (uint32_t)at;
}

/* Copies the row's verdicts out; returns how many cells are holes. */
static uint32_t collect(struct worker *w, struct sv_job *job, uint32_t row)
{
    uint32_t holes = 0, last = 0;
    size_t base = (size_t)row * job->cells;
    pthread_mutex_lock(&job->details_lock);
    for (uint32_t i = 0; i < job->cells; i++) {
        const struct sv_record *record = &w->region->records[i];
        uint8_t verdict = record->verdict;
        uint32_t len, cpu_us = record->cpu_us;
        const char *text = sv_record_detail(w->region, i, &len);
        if (verdict > SV_EARLY_EXIT)
            verdict = SV_FORBIDDEN; /* nobody honest writes that */
        if (verdict != SV_INFRA && cpu_us > job->limits.cpu_us)
            verdict = SV_TIMEOUT; /* an answer that comes late is late */
        if (verdict == SV_INFRA) {
            holes++;
            continue;
        }
        job->cpu_us[base + i] = cpu_us;
        job->verdict[base + i] = verdict;
        if (len > 0 && verdict != SV_PASS)
            store_detail(job, base + i, text, len, &last);
    }
    pthread_mutex_unlock(&job->details_lock);
    return holes;
}

static void explain_holes(struct sv_job *job, uint32_t row, struct sv_error error)
{
    char text[SV_DETAIL_MAX];
    uint32_t last = 0;
    int len = error.stage == 0
                  ? snprintf(text, sizeof text, "killed from outside the sandbox (SIGKILL)")
                  : snprintf(text, sizeof text, "sandbox failed at %s: %s",
                             sv_stage_name((enum sv_stage)error.stage), strerrordesc_np(error.err));
    size_t base = (size_t)row * job->cells;
    pthread_mutex_lock(&job->details_lock);
    for (uint32_t i = 0; i < job->cells; i++)
        if (job->verdict[base + i] == SV_INFRA)
            store_detail(job, base + i, text, (uint32_t)len, &last);
    pthread_mutex_unlock(&job->details_lock);
}

static void run_row(struct worker *w, struct sv_job *job, uint32_t row)
{
    struct sv_pool *pool = w->pool;
    struct attempt a = {.error = {0, 0}};
    uint32_t holes = job->cells;
    for (int attempt = 0; attempt < ATTEMPTS && holes > 0 && !atomic_load(&job->cancelled); attempt++) {
        if (attempt > 0)
            count(pool, &pool->statistics.retried);
        job->out[0].len = job->out[1].len = 0;
        a.done.next = 0;
        do
            a = run_from(w, job, row, a.done.next);
        while (a.error.stage == 0 && a.done.next < job->cells && !atomic_load(&job->cancelled));
        if (a.error.stage == 0)
            holes = collect(w, job, row);
        /* The mark of what was used is ours, never the subject's. */
        if (sv_region_reset(w->region, w->memfd, job->cells, w->region->payload_len, &w->used) != 0)
            a.error = (struct sv_error){SV_STAGE_REGION, errno};
        if (pool->stop || atomic_load(&pool->failed_spawns) >= BROKEN_AFTER)
            break;
    }
    if (holes > 0 && !atomic_load(&job->cancelled)) {
        explain_holes(job, row, a.error);
        count(pool, &pool->statistics.infra_rows);
    }
    if (job->kind == SV_KIND_PROGRAM)
        job->done = a.done;
    count(pool, &pool->statistics.rows);
}

/* ---- workers and queue --------------------------------------------------------------------------- */

/* The next row of the first job that has one; 0 when the pool stops. Called with the lock held. */
static int take(struct sv_pool *pool, struct sv_job **job, uint32_t *row)
{
    for (;;) {
        if (pool->stop)
            return 0;
        if (pool->first != NULL) {
            *job = pool->first;
            *row = (*job)->next_row++;
            if ((*job)->next_row >= (*job)->rows)
                pool->first = (*job)->next; /* handed out whole; it completes in flight */
            return 1;
        }
        pthread_cond_wait(&pool->work, &pool->lock);
    }
}

static void finish_row(struct sv_job *job)
{
    int done_fd = job->done_fd;
    uint32_t rows = job->rows;
    if (atomic_fetch_add(&job->rows_done, 1) + 1 == rows) { /* the owner may free it from here on */
        const uint64_t one = 1;
        ssize_t n = write(done_fd, &one, sizeof one);
        (void)n; /* an eventfd of ours with room: cannot fail */
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct sv_pool *pool = w->pool;
    struct sv_job *job;
    uint32_t row;
    pthread_mutex_lock(&pool->lock);
    while (take(pool, &job, &row)) {
        pthread_mutex_unlock(&pool->lock);
        if (!atomic_load(&job->cancelled))
            run_row(w, job, row);
        finish_row(job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct sv_job *sv_pool_submit(struct sv_pool *pool, const struct sv_job_spec *spec)
{
    size_t bytes = 0, cells = (size_t)spec->rows * spec->cells;
    if (spec->rows == 0 || spec->cells == 0 || spec->cells > SV_MAX_CELLS ||
        spec->limits.cpu_us == 0 || spec->limits.wall_us == 0) {
        errno = EINVAL;
        return NULL;
    }
    for (uint32_t i = 0; i < spec->rows; i++) {
        bytes += spec->row_lens[i];
        if (spec->row_zygotes[i] >= pool->zygotes) {
            errno = EINVAL;
            return NULL;
        }
    }
    for (uint32_t i = 0; i < spec->cell_blob_count; i++)
        bytes += spec->cell_lens[i];
    struct sv_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->pool = pool;
    job->kind = spec->kind;
    job->rows = spec->rows;
    job->cells = spec->cells;
    job->cell_blob_count = spec->cell_blob_count;
    job->limits = spec->limits;
    job->fault = spec->fault;
    job->verdict = spec->verdict;
    job->cpu_us = spec->cpu_us;
    job->done_fd = spec->done_fd;
    job->stdin_fd = -1;
    pthread_mutex_init(&job->details_lock, NULL);
    job->blob_bytes = malloc(bytes + 1);
    job->row_blobs = calloc(spec->rows, sizeof *job->row_blobs);
    job->row_lens = calloc(spec->rows, sizeof *job->row_lens);
    job->row_zygotes = calloc(spec->rows, 1);
    job->cell_blobs = calloc(spec->cell_blob_count + 1u, sizeof *job->cell_blobs);
    job->cell_lens = calloc(spec->cell_blob_count + 1u, sizeof *job->cell_lens);
    job->detail_at = calloc(cells, sizeof *job->detail_at);
    if (job->blob_bytes == NULL || job->row_blobs == NULL || job->row_lens == NULL ||
        job->row_zygotes == NULL || job->cell_blobs == NULL || job->cell_lens == NULL ||
        job->detail_at == NULL || append(&job->details, "", 1) != 0)
        goto no_memory;
    if (spec->stdin_fd >= 0 && (job->stdin_fd = fcntl(spec->stdin_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        goto no_memory;
    char *at = job->blob_bytes;
    for (uint32_t i = 0; i < spec->rows; i++) {
        memcpy(at, spec->row_blobs[i], spec->row_lens[i]);
        job->row_blobs[i] = at;
        job->row_lens[i] = spec->row_lens[i];
        job->row_zygotes[i] = spec->row_zygotes[i];
        at += spec->row_lens[i];
    }
    for (uint32_t i = 0; i < spec->cell_blob_count; i++) {
        memcpy(at, spec->cell_blobs[i], spec->cell_lens[i]);
        job->cell_blobs[i] = at;
        job->cell_lens[i] = spec->cell_lens[i];
        at += spec->cell_lens[i];
    }
    pthread_mutex_lock(&pool->lock);
    struct sv_job **tail = &pool->first;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = job;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return job;
no_memory:
    atomic_store(&job->rows_done, job->rows); /* never queued: nothing to wait for */
    sv_job_free(job);
    errno = ENOMEM;
    return NULL;
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
    pthread_mutex_lock(&job->details_lock);
    uint32_t at = job->detail_at[(size_t)row * job->cells + cell];
    if (at != 0) {
        uint16_t len16;
        memcpy(&len16, job->details.bytes + at, sizeof len16);
        text = job->details.bytes + at + sizeof len16;
        *len = len16;
    }
    pthread_mutex_unlock(&job->details_lock);
    return text;
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
    close_fd(&job->stdin_fd);
    pthread_mutex_destroy(&job->details_lock);
    free(job);
}

/* ---- the pool ------------------------------------------------------------------------------------ */

static void worker_destroy(struct worker *w)
{
    for (int z = 0; z < SV_MAX_ZYGOTES; z++)
        retire(w, &w->templates[z]);
    if (w->region != NULL)
        (void)munmap(w->region, sizeof *w->region);
    close_fd(&w->memfd);
    pthread_mutex_destroy(&w->lock);
}

static int worker_create(struct sv_pool *pool, struct worker *w, uint32_t index)
{
    w->pool = pool;
    w->index = index;
    w->memfd = -1;
    for (int z = 0; z < SV_MAX_ZYGOTES; z++)
        w->templates[z].control = w->templates[z].pidfd = -1;
    pthread_mutex_init(&w->lock, NULL);
    w->memfd = (int)syscall(SYS_memfd_create, "sv-region", 1u /* MFD_CLOEXEC */);
    if (w->memfd < 0 || ftruncate(w->memfd, sizeof *w->region) != 0)
        return -1;
    w->region = mmap(NULL, sizeof *w->region, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                     w->memfd, 0);
    if (w->region == MAP_FAILED) {
        w->region = NULL;
        return -1;
    }
    return 0;
}

struct sv_pool *sv_pool_new(const int *zygote_socks, int zygotes, uint32_t workers,
                            struct sv_fault spawn_fault, uint32_t spawn_fault_count)
{
    struct sv_pool *pool = calloc(1, sizeof *pool);
    uint32_t made = 0, started = 0;
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->zygotes = zygotes;
    for (int z = 0; z < zygotes; z++) {
        pool->zygote[z] = zygote_socks[z];
        pthread_mutex_init(&pool->zygote_lock[z], NULL);
    }
    pool->spawn_fault = spawn_fault;
    atomic_store(&pool->spawn_faults_left, spawn_fault_count);
    pool->workers = workers;
    pool->worker = calloc(workers, sizeof *pool->worker);
    if (pool->worker == NULL)
        goto failed;
    for (; made < workers; made++)
        if (worker_create(pool, &pool->worker[made], made) != 0) {
            made++;
            goto failed;
        }
    /* Signals belong to the client's own threads. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = 0;
    for (; started < workers && rc == 0; started++)
        rc = pthread_create(&pool->worker[started].thread, NULL, work, &pool->worker[started]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        return pool;
    started--;
    errno = rc;
failed:;
    int saved = errno;
    pthread_mutex_lock(&pool->lock);
    pool->stop = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(pool->worker[i].thread, NULL);
    for (uint32_t i = 0; i < made; i++)
        worker_destroy(&pool->worker[i]);
    free(pool->worker);
    free(pool);
    errno = saved;
    return NULL;
}

void sv_pool_close(struct sv_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stop = 1;
    struct sv_job *queued = pool->first;
    pool->first = NULL;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->workers; i++) { /* wakes threads that wait for a row's end */
        struct worker *w = &pool->worker[i];
        pthread_mutex_lock(&w->lock);
        for (int z = 0; z < SV_MAX_ZYGOTES; z++)
            if (w->templates[z].pidfd >= 0)
                (void)syscall(SYS_pidfd_send_signal, w->templates[z].pidfd, SIGKILL, NULL, 0);
        pthread_mutex_unlock(&w->lock);
    }
    for (uint32_t i = 0; i < pool->workers; i++) {
        pthread_join(pool->worker[i].thread, NULL);
        worker_destroy(&pool->worker[i]);
    }
    while (queued != NULL) { /* rows never begun stay holes; their jobs complete all the same */
        struct sv_job *next = queued->next;
        uint32_t left = queued->rows - queued->next_row;
        while (left-- > 0)
            finish_row(queued);
        queued = next;
    }
    for (int z = 0; z < pool->zygotes; z++)
        pthread_mutex_destroy(&pool->zygote_lock[z]);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->worker);
    free(pool);
}

int sv_pool_probe(struct sv_pool *pool, int zygote, struct sv_ready *ready)
{
    /* A worker of its own, so that the pool's threads need not be asked. */
    struct worker probe = {0};
    memset(ready, 0, sizeof *ready);
    if (zygote >= pool->zygotes || worker_create(pool, &probe, pool->workers) != 0) {
        ready->error = (struct sv_error){SV_STAGE_REGION, errno};
    } else {
        struct sv_error error = spawn(&probe, zygote, ready);
        ready->error = error;
    }
    worker_destroy(&probe);
    return ready->error.stage == 0 ? 0 : -1;
}

void sv_pool_statistics(struct sv_pool *pool, struct sv_statistics *out)
{
    pthread_mutex_lock(&pool->lock);
    *out = pool->statistics;
    pthread_mutex_unlock(&pool->lock);
}
