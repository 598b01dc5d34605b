/* pool.c - worker threads in the client, and the queue of jobs they take rows from.
 *
 * In: jobs (rows x cells) with the caller's arrays.  Out: those arrays filled, and who waits is told.
 * Invariant: a job always completes. One thread per worker, plain blocking code; no Python, no GIL.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- workers and queue --------------------------------------------------------------------------- */

/* These four are called with the lock held. */

static void remove_from_queue(struct sv_pool *pool, struct sv_job *before, const struct sv_job *job)
{
    if (before == NULL)
        pool->first = job->next;
    else
        before->next = job->next;
    if (pool->last == job)
        pool->last = before;
}

static int has_all_its_workers(struct sv_job *job)
{
    return job->workers != 0 && job->next_row - atomic_load(&job->rows_finished) >= job->workers;
}

/* The next row of the first job that has one and may have a worker more; 0: none. No worker sleeps while
 * there is one: a row becomes free when its job comes, which wakes all, or when a worker has finished
 * another one, and that worker looks here next. */
static int next_row(struct sv_pool *pool, struct sv_job **job, uint32_t *row)
{
    struct sv_job *before = NULL, *at = pool->first;
    for (; at != NULL && has_all_its_workers(at); before = at, at = at->next)
        ;
    if (at == NULL)
        return 0;
    *job = at;
    *row = at->next_row++;
    if (at->next_row >= at->rows)
        remove_from_queue(pool, before, at); /* handed out whole; it completes in flight */
    return 1;
}

/* 0 when the pool stops. */
static int take(struct sv_pool *pool, struct sv_job **job, uint32_t *row)
{
    while (!atomic_load(&pool->stop)) {
        if (next_row(pool, job, row))
            return 1;
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    return 0;
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
            sv_run_row(w, job, row);
        sv_finish_row(job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct sv_job *sv_pool_submit(struct sv_pool *pool, const struct sv_job_spec *spec)
{
    struct sv_job *job = sv_job_new(pool, spec);
    if (job == NULL)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    job->id = ++pool->next_job_id;
    if (pool->first == NULL)
        pool->first = job;
    else
        pool->last->next = job;
    pool->last = job;
    atomic_store(&pool->failed_spawns, 0); /* whoever asks again may find the machine well again */
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return job;
}

void sv_job_drop(struct sv_job *job)
{
    struct sv_pool *pool = job->pool;
    struct sv_job *before = NULL;
    pthread_mutex_lock(&pool->lock);
    struct sv_job *at = pool->first;
    for (; at != NULL && at != job; at = at->next)
        before = at;
    uint32_t left = 0;
    if (at == job) { /* with rows that nobody has begun */
        remove_from_queue(pool, before, job);
        left = job->rows - job->next_row;
        job->next_row = job->rows;
    }
    pthread_mutex_unlock(&pool->lock);
    while (left-- > 0)
        sv_finish_row(job);
}

void sv_count(struct sv_pool *pool, uint64_t *counter)
{
    pthread_mutex_lock(&pool->lock);
    (*counter)++;
    pthread_mutex_unlock(&pool->lock);
}

/* ---- the pool ------------------------------------------------------------------------------------ */

static void worker_destroy(struct worker *w)
{
    for (int side = 0; side < SIDES; side++) {
        for (int z = 0; z < SV_PLACES; z++)
            sv_retire(w, &w->templates[side][z]);
        sv_memory_destroy(&w->memory[side]);
    }
    for (int z = 0; z < SV_MAX_ZYGOTES; z++)
        sv_streams_close(&w->recycler[z]);
    sv_plan_free(&w->plan);
    pthread_mutex_destroy(&w->lock);
}

static int worker_create(struct sv_pool *pool, struct worker *w, uint32_t index)
{
    w->pool = pool;
    w->index = index;
    for (int i = 0; i < 3 * SV_MAX_ZYGOTES; i++)
        w->recycler[i / 3].streams[i % 3] = -1;
    for (int side = 0; side < SIDES; side++) {
        w->memory[side].memfd = -1;
        for (int z = 0; z < SV_PLACES; z++)
            w->templates[side][z].control = w->templates[side][z].pidfd = -1;
    }
    pthread_mutex_init(&w->lock, NULL);
    for (int side = 0; side < SIDES; side++)
        if (sv_memory_create(&w->memory[side]) != 0)
            return -1;
    return 0;
}

static void pool_free(struct sv_pool *pool)
{
    for (int z = 0; z < pool->zygotes; z++)
        sv_zygote_destroy(pool, &pool->zygote[z]);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->worker);
    free(pool);
}

struct sv_pool *sv_pool_new(const struct sv_zygote_spec *specs, int zygotes, uint32_t workers,
                            struct sv_fault spawn_fault, uint32_t spawn_fault_count,
                            enum sv_recycle recycle)
{
    struct sv_pool *pool = calloc(1, sizeof *pool);
    uint32_t made = 0, started = 0;
    int rc = 0;
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pool->zygotes = zygotes;
    for (int z = 0; z < zygotes; z++)
        rc |= sv_zygote_create(&pool->zygote[z], &specs[z]);
    pool->recycle = recycle;
    pool->spawn_fault = spawn_fault;
    atomic_store(&pool->spawn_faults_left, spawn_fault_count);
    pool->workers = workers;
    pool->owner = getpid();
    pool->worker = calloc(workers, sizeof *pool->worker);
    if (pool->worker == NULL || rc != 0)
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
    pool_free(pool);
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
    for (int z = 0; z < pool->zygotes; z++) /* wakes threads that wait for one, and lets it go */
        sv_zygote_hang_up(&pool->zygote[z]);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->workers; i++) { /* wakes threads that wait for a row's end */
        struct worker *w = &pool->worker[i];
        pthread_mutex_lock(&w->lock);
        for (int side = 0; side < SIDES; side++)
            for (int z = 0; z < SV_PLACES; z++)
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
            sv_finish_row(queued);
        queued = next;
    }
    pool_free(pool);
}

int sv_pool_probe(struct sv_pool *pool, int place, struct sv_ready *ready)
{
    /* A worker of its own, so that the pool's threads need not be asked. */
    struct worker probe = {0};
    memset(ready, 0, sizeof *ready);
    if (place < 0 || place >= SV_PLACES || place % SV_MAX_ZYGOTES >= pool->zygotes) {
        ready->error = (struct sv_error){SV_STAGE_CLONE, EINVAL};
        return -1;
    }
    if (worker_create(pool, &probe, pool->workers) != 0) {
        ready->error = (struct sv_error){SV_STAGE_REGION, errno};
    } else {
        struct sv_error error = sv_spawn(&probe, SIDE_SUBJECT, place, ready);
        ready->error = error;
    }
    worker_destroy(&probe);
    return ready->error.stage == 0 ? 0 : -1;
}

pid_t sv_pool_zygote(struct sv_pool *pool, int zygote)
{
    pthread_mutex_lock(&pool->lock);
    const pid_t pid = pool->zygote[zygote].pid;
    pthread_mutex_unlock(&pool->lock);
    return pid;
}

void sv_pool_statistics(struct sv_pool *pool, struct sv_statistics *out)
{
    pthread_mutex_lock(&pool->lock);
    *out = pool->statistics;
    pthread_mutex_unlock(&pool->lock);
}
