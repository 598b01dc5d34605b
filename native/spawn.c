/* spawn.c - templates as a worker has them: asked of a zygote, kept, and ended.
 *
 * In: a side and a zygote.  Out: a template that is locked in, in its place in the worker; or the
 * address of what failed, and nothing left of the attempt. Invariant: a place's old template is gone,
 * and all its processes, before the place's region is used again.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPAWN_MS 20000
#define RETIRE_MS 5000

void sv_retire(struct worker *w, struct template *t)
{
    pthread_mutex_lock(&w->lock);
    if (t->pidfd >= 0) {
        /* Wait until it is gone, and with it everything in its namespace: the next template gets
         * the same region, and nobody may still write to it. */
        struct pollfd gone = {.fd = t->pidfd, .events = POLLIN};
        (void)syscall(SYS_pidfd_send_signal, t->pidfd, SIGKILL, NULL, 0); /* ESRCH: already gone */
        while (poll(&gone, 1, RETIRE_MS) < 0 && errno == EINTR)
            ;
    }
    sv_close_fd(&t->pidfd);
    sv_close_fd(&t->control);
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

struct sv_error sv_spawn(struct worker *w, enum side side, int place, struct sv_ready *ready)
{
    struct sv_pool *pool = w->pool;
    struct template *t = &w->templates[side][place];
    const int keeper = place == SV_RECYCLER, zygote = keeper ? 0 : place;
    struct sv_error error = {0, 0};
    struct sv_spawned spawned = {.pid = -1};
    int pair[2] = {-1, -1}, pidfd = -1;

    /* A uid of its own for every template of every worker, so that none can signal another even
     * where it is outside a pid namespace. */
    struct sv_spawn request = {
        .uid_offset = (int32_t)((w->index * SIDES + (uint32_t)side) * SV_PLACES + (uint32_t)place),
        .recycle = keeper ? (uint32_t)pool->recycle : SV_RECYCLE_OFF};
    if (keeper && request.recycle == SV_RECYCLE_OFF)
        return (struct sv_error){SV_STAGE_RECYCLE_JAIL, ECANCELED}; /* the caller wants none */
    unsigned left = atomic_load(&pool->spawn_faults_left);
    if (keeper != (pool->spawn_fault.stage >= SV_STAGE_RECYCLE_JAIL))
        left = 0; /* it is not for this kind */
    while (left > 0 && !atomic_compare_exchange_weak(&pool->spawn_faults_left, &left, left - 1))
        ;
    if (left > 0)
        request.fault = pool->spawn_fault;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        error = (struct sv_error){SV_STAGE_CLONE, errno};
        goto out;
    }
    if (keeper && sv_streams_create(w) != 0) {
        error = (struct sv_error){SV_STAGE_STDIO, errno};
        sv_close_fd(&pair[1]);
        goto out;
    }
    const int *streams = w->recycler.streams;
    const int fds[SV_WIRE_FDS] = {pair[1], w->memory[side].memfd, streams[0], streams[1], streams[2]};
    pthread_mutex_lock(&pool->zygote_lock[zygote]);
    int failed = sv_send(pool->zygote[zygote], &request, sizeof request, fds, keeper ? SV_WIRE_FDS : 2) != 0 ||
                 await(pool->zygote[zygote], &spawned, sizeof spawned, &pidfd, 1) != 0;
    int saved = errno;
    pthread_mutex_unlock(&pool->zygote_lock[zygote]);
    sv_close_fd(&pair[1]);
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
        sv_close_fd(&pidfd);
        sv_close_fd(&pair[0]);
        if (error.err != EMFILE && !keeper) /* the caller's shortage, which may pass: not a broken machine */
            atomic_fetch_add(&pool->failed_spawns, 1);
        return error;
    }
    atomic_store(&pool->failed_spawns, 0);
    sv_count(pool, keeper ? &pool->statistics.keepers : &pool->statistics.templates);
    pthread_mutex_lock(&w->lock);
    t->pidfd = pidfd;
    t->control = pair[0];
    t->serial = 0;
    t->lifetime++;
    pthread_mutex_unlock(&w->lock);
    return error;
}

