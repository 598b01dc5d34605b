/* spawn.c - templates as a worker has them: asked of a zygote, kept, and ended.
 *
 * In: a side and a zygote.  Out: a template that is locked in, in its place in the worker; or the
 * address of what failed, and nothing left of the attempt. Invariants: a place's old template is gone,
 * and all its processes, before the place's region is used again; so a new one does nothing before its
 * pidfd is here; a template that was lost with its zygote is asked of the next one, a bounded number of
 * times.
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
#define ZYGOTES 3 /* that may be lost under one spawn */

/* Waits until it is gone, and with it everything in its namespace: the next template gets the same
 * region, and nobody may still write to it. */
static void end(struct template *t)
{
    if (t->pidfd >= 0) {
        struct pollfd gone = {.fd = t->pidfd, .events = POLLIN};
        (void)syscall(SYS_pidfd_send_signal, t->pidfd, SIGKILL, NULL, 0); /* ESRCH: already gone */
        while (poll(&gone, 1, RETIRE_MS) < 0 && errno == EINTR)
            ;
    }
    sv_close_fd(&t->pidfd);
    sv_close_fd(&t->control);
}

void sv_retire(struct worker *w, struct template *t)
{
    pthread_mutex_lock(&w->lock);
    end(t);
    pthread_mutex_unlock(&w->lock);
}

static struct zygote *zygote_of(struct worker *w, int place)
{
    return &w->pool->zygote[place % SV_MAX_ZYGOTES];
}

void sv_retire_dead(struct worker *w, int thorough)
{
    struct pollfd polled[SIDES * SV_PLACES];
    for (int i = 0; i < SIDES * SV_PLACES; i++)
        polled[i] = (struct pollfd){.fd = w->templates[i / SV_PLACES][i % SV_PLACES].pidfd, .events = POLLIN};
    if (poll(polled, SIDES * SV_PLACES, 0) <= 0 && !thorough)
        return;
    for (int i = 0; i < SIDES * SV_PLACES; i++) {
        struct template *t = &w->templates[i / SV_PLACES][i % SV_PLACES];
        if (polled[i].revents != 0 ||
            (thorough && t->pidfd >= 0 && sv_zygote_lost(zygote_of(w, i % SV_PLACES), t->life)))
            sv_retire(w, t);
    }
}

int sv_await(int sock, void *msg, size_t len, int *fds, int nfds)
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

/* One template (or a keeper), of a zygote that may be lost meanwhile: *life says which. */
static struct sv_error spawn_once(struct worker *w, enum side side, struct zygote *z,
                                  const struct sv_spawn *request, struct recycler *keeper,
                                  struct sv_ready *ready, struct template *made, uint32_t *life)
{
    struct sv_spawned spawned = {.pid = -1};
    struct sv_error error = {0, 0};
    int pair[2] = {-1, -1};
    made->pidfd = made->control = -1;
    if (keeper != NULL && sv_streams_create(keeper) != 0)
        return (struct sv_error){SV_STAGE_STDIO, errno};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return (struct sv_error){SV_STAGE_CLONE, errno};
    int fds[SV_WIRE_FDS] = {pair[1], w->memory[side].memfd}, nfds = 2;
    for (int i = 0; keeper != NULL && i < 3; i++)
        fds[nfds++] = keeper->streams[i];
    if (sv_zygote_ask(w->pool, z, request, fds, nfds, &spawned, &made->pidfd, life) != 0)
        error = (struct sv_error){SV_STAGE_CLONE, errno};
    sv_close_fd(&pair[1]);
    if (error.stage == 0)
        error = spawned.error;
    if (error.stage == 0 && sv_send(pair[0], "", 1, NULL, 0) != 0)
        error = (struct sv_error){SV_STAGE_CLONE, errno};
    if (error.stage == 0 && sv_await(pair[0], ready, sizeof *ready, NULL, 0) != 0)
        error = (struct sv_error){SV_STAGE_READY, errno};
    else if (error.stage == 0)
        error = ready->error;
    made->control = pair[0];
    if (error.stage != 0)
        end(made);
    return error;
}

/* The fault that the next spawn of this kind is to meet. */
static struct sv_fault next_fault(struct sv_pool *pool, int keeper)
{
    unsigned left = atomic_load(&pool->spawn_faults_left);
    if (keeper != (pool->spawn_fault.stage >= SV_STAGE_RECYCLE_JAIL))
        left = 0; /* it is not for this kind */
    while (left > 0 && !atomic_compare_exchange_weak(&pool->spawn_faults_left, &left, left - 1))
        ;
    return left > 0 ? pool->spawn_fault : (struct sv_fault){SV_STAGE_NONE, 0};
}

struct sv_error sv_spawn(struct worker *w, enum side side, int place, struct sv_ready *ready)
{
    struct sv_pool *pool = w->pool;
    struct template *t = &w->templates[side][place], made;
    struct recycler *keeper = place < SV_MAX_ZYGOTES ? NULL : &w->recycler[place - SV_MAX_ZYGOTES];
    struct zygote *z = zygote_of(w, place);
    struct sv_error error;
    uint32_t life = 0;
    int tries = 0;

    /* A uid of its own for every template of every worker, so that none can signal another even
     * where it is outside a pid namespace. */
    struct sv_spawn request = {
        .uid_offset = (int32_t)((w->index * SIDES + (uint32_t)side) * SV_PLACES + (uint32_t)place),
        .recycle = keeper != NULL ? (uint32_t)pool->recycle : SV_RECYCLE_OFF};
    if (keeper != NULL && request.recycle == SV_RECYCLE_OFF)
        return (struct sv_error){SV_STAGE_RECYCLE_JAIL, ECANCELED}; /* the caller wants none */
    request.fault = next_fault(pool, keeper != NULL);
    do
        error = spawn_once(w, side, z, &request, keeper, ready, &made, &life);
    while (error.stage != 0 && ++tries < ZYGOTES && !atomic_load(&pool->stop) && sv_zygote_lost(z, life));
    if (error.stage != 0) {
        if (error.err != EMFILE && keeper == NULL) /* the caller's shortage, which may pass: not a broken machine */
            atomic_fetch_add(&pool->failed_spawns, 1);
        return error;
    }
    atomic_store(&pool->failed_spawns, 0);
    sv_count(pool, keeper != NULL ? &pool->statistics.keepers : &pool->statistics.templates);
    pthread_mutex_lock(&w->lock);
    t->pidfd = made.pidfd;
    t->control = made.control;
    t->serial = 0;
    t->lifetime++;
    t->life = life;
    pthread_mutex_unlock(&w->lock);
    return error;
}
