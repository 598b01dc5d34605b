/* pool.c - worker threads in the client, and the queue of jobs they take rows from.
 *
 * In: jobs (rows x cells) with the caller's arrays.  Out: those arrays filled, an eventfd written
 * once when a job is done.  Invariants: a row whose template failed is tried again in a new one,
 * and what still fails stays a hole (SV_INFRA) with the address of the failure as its detail; a job
 * always completes. One thread per worker, plain blocking code; no Python, no GIL.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTEMPTS 3 /* at a row that has holes */
#define USED_UP 4  /* and so many more that end because a template was used up: no failure */

static void run_row(struct worker *w, struct sv_job *job, uint32_t row)
{
    struct sv_pool *pool = w->pool;
    struct sv_error error = {0, 0};
    uint32_t holes = job->cells;
    int attempts = 0, used_up = 0;
    while (attempts < ATTEMPTS && holes > 0 && !sv_unwanted(job)) {
        if (attempts > 0 && error.err != ESTALE)
            sv_count(pool, &pool->statistics.retried);
        w->fresh[SIDE_SUBJECT] = w->fresh[SIDE_JUDGE] = 1;
        holes = job->judge != SV_JUDGE_INLINE
                    ? sv_split_row(w, job, row, &error)
                    : sv_inline_cells(w, job, row, NULL, job->cells, &error);
        attempts += error.err != ESTALE || ++used_up > USED_UP;
        if (atomic_load(&pool->stop) || atomic_load(&pool->failed_spawns) >= SV_BROKEN_AFTER)
            break;
    }
    if (holes > 0 && !atomic_load(&job->cancelled)) {
        sv_explain_holes(job, row, error);
        sv_count(pool, &pool->statistics.infra_rows);
    }
    sv_count(pool, &pool->statistics.rows);
}

/* ---- workers and queue --------------------------------------------------------------------------- */

/* The next row of the first job that has one; 0 when the pool stops. Called with the lock held. */
static int take(struct sv_pool *pool, struct sv_job **job, uint32_t *row)
{
    for (;;) {
        if (atomic_load(&pool->stop))
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
    if (atomic_fetch_add(&job->rows_finished, 1) + 1 == job->rows) {
        const uint64_t one = 1;
        ssize_t n = write(job->done_fd, &one, sizeof one);
        (void)n; /* an eventfd of ours with room: cannot fail */
    }
    atomic_fetch_add(&job->rows_done, 1); /* when all are, the owner may free the job */
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
    job->judge = spec->kind == SV_KIND_PROGRAM ? SV_JUDGE_INLINE : spec->judge;
    job->rows = spec->rows;
    job->cells = spec->cells;
    job->cell_blob_count = spec->cell_blob_count;
    job->limits = spec->limits;
    job->fault = spec->fault;
    job->verdict = spec->verdict;
    job->cpu_us = spec->cpu_us;
    job->trust = spec->trust;
    job->vacuous = spec->vacuous;
    job->done_fd = job->stdin_fd = -1;
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
        job->detail_at == NULL || sv_append(&job->details, "", 1) != 0)
        goto no_memory;
    if ((job->done_fd = fcntl(spec->done_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        goto no_memory;
    if (spec->stdin_fd >= 0 && (job->stdin_fd = fcntl(spec->stdin_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        goto no_memory;
    char *at = job->blob_bytes;
    for (uint32_t i = 0; i < spec->rows; i++) {
        memcpy(at, spec->row_blobs[i], spec->row_lens[i]);
        job->row_blobs[i] = at;
        job->row_lens[i] = spec->row_lens[i];
        job->row_zygotes[i] = spec->row_zygotes[i];
        if (spec->row_zygotes[i] > job->judge_zygote)
            job->judge_zygote = spec->row_zygotes[i];
        at += spec->row_lens[i];
    }
    for (uint32_t i = 0; i < spec->cell_blob_count; i++) {
        memcpy(at, spec->cell_blobs[i], spec->cell_lens[i]);
        job->cell_blobs[i] = at;
        job->cell_lens[i] = spec->cell_lens[i];
        at += spec->cell_lens[i];
    }
    pthread_mutex_lock(&pool->lock);
    job->id = ++pool->next_job_id;
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
    sv_close_fd(&job->stdin_fd);
    sv_close_fd(&job->done_fd);
    pthread_mutex_destroy(&job->details_lock);
    free(job);
}

/* ---- the pool ------------------------------------------------------------------------------------ */

static void worker_destroy(struct worker *w)
{
    for (int side = 0; side < SIDES; side++) {
        for (int z = 0; z < SV_MAX_ZYGOTES; z++)
            sv_retire(w, &w->templates[side][z]);
        sv_memory_destroy(&w->memory[side]);
    }
    sv_plan_free(&w->plan);
    pthread_mutex_destroy(&w->lock);
}

static int worker_create(struct sv_pool *pool, struct worker *w, uint32_t index)
{
    w->pool = pool;
    w->index = index;
    for (int side = 0; side < SIDES; side++) {
        w->memory[side].memfd = -1;
        for (int z = 0; z < SV_MAX_ZYGOTES; z++)
            w->templates[side][z].control = w->templates[side][z].pidfd = -1;
    }
    pthread_mutex_init(&w->lock, NULL);
    for (int side = 0; side < SIDES; side++)
        if (sv_memory_create(&w->memory[side]) != 0)
            return -1;
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
    pool->owner = getpid();
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
    atomic_store(&pool->stop, 1);
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

int sv_pool_is_own(const struct sv_pool *pool)
{
    return pool->owner == getpid();
}

void sv_pool_close(struct sv_pool *pool)
{
    if (!sv_pool_is_own(pool))
        return; /* its threads and templates are another process's to end */
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, 1);
    struct sv_job *queued = pool->first;
    pool->first = NULL;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->workers; i++) { /* wakes threads that wait for a row's end */
        struct worker *w = &pool->worker[i];
        pthread_mutex_lock(&w->lock);
        for (int side = 0; side < SIDES; side++)
            for (int z = 0; z < SV_MAX_ZYGOTES; z++)
                if (w->templates[side][z].pidfd >= 0)
                    (void)syscall(SYS_pidfd_send_signal, w->templates[side][z].pidfd, SIGKILL, NULL, 0);
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
    if (zygote < 0 || zygote >= pool->zygotes) {
        ready->error = (struct sv_error){SV_STAGE_CLONE, EINVAL};
        return -1;
    }
    if (worker_create(pool, &probe, pool->workers) != 0) {
        ready->error = (struct sv_error){SV_STAGE_REGION, errno};
    } else {
        struct sv_error error = sv_spawn(&probe, SIDE_SUBJECT, zygote, ready);
        ready->error = error;
    }
    worker_destroy(&probe);
    return ready->error.stage == 0 ? 0 : -1;
}

void sv_pool_set_zygote(struct sv_pool *pool, int zygote, int sock)
{
    pthread_mutex_lock(&pool->zygote_lock[zygote]); /* nobody is in the middle of a spawn */
    pool->zygote[zygote] = sock;
    pthread_mutex_unlock(&pool->zygote_lock[zygote]);
    atomic_store(&pool->failed_spawns, 0);
}

void sv_pool_statistics(struct sv_pool *pool, struct sv_statistics *out)
{
    pthread_mutex_lock(&pool->lock);
    *out = pool->statistics;
    pthread_mutex_unlock(&pool->lock);
}
