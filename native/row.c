/* row.c - one row in one template: spawning, commands, output, the inline judge, programs.
 *
 * In: a job and a row number.  Out: the row's cells in the job's arrays. Invariant: a cell is
 * written after every process of its row is gone; what a subject wrote is checked when it is read.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POLL_MS 200
#define HUNG_NS 10000000000ull /* a template that says nothing for so long (it ticks each second) */
#define SPAWN_MS 20000
#define RETIRE_MS 5000

/* ---- small helpers ----------------------------------------------------------------------------- */

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

void sv_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void sv_count(struct sv_pool *pool, uint64_t *counter)
{
    pthread_mutex_lock(&pool->lock);
    (*counter)++;
    pthread_mutex_unlock(&pool->lock);
}

int sv_unwanted(struct sv_job *job)
{
    return atomic_load(&job->cancelled) || atomic_load(&job->pool->stop);
}

/* ---- templates --------------------------------------------------------------------------------- */

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

struct sv_error sv_spawn(struct worker *w, enum side side, int zygote, struct sv_ready *ready)
{
    struct sv_pool *pool = w->pool;
    struct template *t = &w->templates[side][zygote];
    struct sv_error error = {0, 0};
    struct sv_spawned spawned = {.pid = -1};
    int pair[2] = {-1, -1}, pidfd = -1;

    /* A uid of its own for every template of every worker, so that none can signal another even
     * where it is outside a pid namespace. */
    struct sv_spawn request = {
        .uid_offset = (int32_t)((w->index * SIDES + (uint32_t)side) * SV_MAX_ZYGOTES + (uint32_t)zygote)};
    unsigned left = atomic_load(&pool->spawn_faults_left);
    while (left > 0 && !atomic_compare_exchange_weak(&pool->spawn_faults_left, &left, left - 1))
        ;
    if (left > 0)
        request.fault = pool->spawn_fault;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        error = (struct sv_error){SV_STAGE_CLONE, errno};
        goto out;
    }
    int fds[2] = {pair[1], w->memory[side].memfd};
    pthread_mutex_lock(&pool->zygote_lock[zygote]);
    int failed = sv_send(pool->zygote[zygote], &request, sizeof request, fds, 2) != 0 ||
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
        atomic_fetch_add(&pool->failed_spawns, 1);
        return error;
    }
    atomic_store(&pool->failed_spawns, 0);
    sv_count(pool, &pool->statistics.templates);
    pthread_mutex_lock(&w->lock);
    t->pidfd = pidfd;
    t->control = pair[0];
    t->serial = 0;
    t->lifetime++;
    pthread_mutex_unlock(&w->lock);
    return error;
}

/* ---- regions ------------------------------------------------------------------------------------ */

int sv_memory_create(struct memory *memory)
{
    memory->memfd = (int)syscall(SYS_memfd_create, "sv-region", 1u /* MFD_CLOEXEC */);
    if (memory->memfd < 0 || ftruncate(memory->memfd, sizeof *memory->region) != 0)
        return -1;
    memory->region = mmap(NULL, sizeof *memory->region, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, memory->memfd, 0);
    if (memory->region == MAP_FAILED) {
        memory->region = NULL;
        return -1;
    }
    return 0;
}

void sv_memory_destroy(struct memory *memory)
{
    if (memory->region != NULL)
        (void)munmap(memory->region, sizeof *memory->region);
    sv_close_fd(&memory->memfd);
}

void sv_prepare(struct worker *w, enum side side, enum sv_kind kind, uint32_t cells)
{
    struct memory *m = &w->memory[side];
    m->region->kind = m->kind = (uint32_t)kind;
    m->region->cells = m->cells = cells;
}

int sv_put(struct worker *w, enum side side, const void *bytes, size_t len)
{
    struct memory *m = &w->memory[side];
    if (sv_region_put(m->region, bytes, len) != 0)
        return -1;
    m->payload_len = m->region->payload_len;
    return 0;
}

int sv_clear(struct worker *w, enum side side)
{
    struct memory *m = &w->memory[side];
    uint32_t payload_len = m->payload_len;
    m->payload_len = 0;
    return sv_region_reset(m->region, m->memfd, m->cells, payload_len, &m->used);
}

/* ---- one command --------------------------------------------------------------------------------- */

/* Reads what is there; closes the pipe at its end. Beyond the limit it keeps counting only. */
static void drain(int *fd, struct running *r, int which)
{
    char buffer[16384];
    const uint64_t limit = r->job->limits.output_bytes;
    for (;;) {
        ssize_t n = read(*fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* EAGAIN */
        if (n == 0) {
            sv_close_fd(fd);
            return;
        }
        uint64_t room = r->seen < limit ? limit - r->seen : 0;
        size_t kept = (uint64_t)n < room ? (size_t)n : (size_t)room;
        r->seen += (uint64_t)n;
        if (r->job->kind == SV_KIND_PROGRAM && kept > 0 &&
            sv_append(&r->job->out[which], buffer, kept) != 0)
            r->result.error = (struct sv_error){SV_STAGE_REPLY, ENOMEM};
        if (r->seen > limit)
            return; /* one look per poll: the order to stop must get its turn */
    }
}

static void close_pipes(struct running *r)
{
    sv_close_fd(&r->out[0]);
    sv_close_fd(&r->out[1]);
    sv_close_fd(&r->err[0]);
    sv_close_fd(&r->err[1]);
    sv_close_fd(&r->null);
}

void sv_start(struct worker *w, enum side side, struct sv_job *job, int zygote, uint32_t start,
              int channel, struct running *r)
{
    struct template *t = &w->templates[side][zygote];
    const uint32_t kind = w->memory[side].kind;
    struct sv_command command = {
        .order = 0, .run = {.kind = kind,
                                 .cells = w->memory[side].cells,
                                 .start = start,
                                 .fresh = (uint32_t)w->fresh[side],
                                 .task = kind == SV_KIND_COMPARE ? w->plan.task : 0,
                                 .limits = job->limits,
                                 .fault = job->fault}};
    const int is_task = kind == SV_KIND_PLAN || kind == SV_KIND_COMPARE;
    if (!is_task)
        w->fresh[side] = 0;
    memset(r, 0, sizeof *r);
    r->template = t;
    r->job = job;
    r->out[0] = r->out[1] = r->err[0] = r->err[1] = r->null = -1;
    if (t->control < 0) {
        struct sv_ready ready;
        r->result.error = sv_spawn(w, side, zygote, &ready);
        if (r->result.error.stage != 0)
            return;
    }
    r->serial = command.serial = ++t->serial;
    r->alive_ns = sv_now_ns();
    if (is_task) {
        if (sv_send(t->control, &command, sizeof command, NULL, 0) != 0)
            r->result.error = (struct sv_error){SV_STAGE_FORK, errno};
        return;
    }
    const int program = job->kind == SV_KIND_PROGRAM, own_stdin = program && job->stdin_fd >= 0;
    if (own_stdin) /* an attempt before this one may have read; ESPIPE: then it cannot be helped */
        (void)lseek(job->stdin_fd, 0, SEEK_SET);
    if (pipe2(r->out, O_CLOEXEC) != 0 || (program && pipe2(r->err, O_CLOEXEC) != 0) ||
        (!own_stdin && (r->null = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) ||
        fcntl(r->out[0], F_SETFL, O_NONBLOCK) != 0 ||
        (program && fcntl(r->err[0], F_SETFL, O_NONBLOCK) != 0)) {
        r->result.error = (struct sv_error){SV_STAGE_PAYLOAD, errno};
        return;
    }
    int fds[SV_WIRE_FDS] = {own_stdin ? job->stdin_fd : r->null, r->out[1],
                            program ? r->err[1] : r->out[1], channel};
    if (sv_send(t->control, &command, sizeof command, fds, channel >= 0 ? 4 : 3) != 0)
        r->result.error = (struct sv_error){SV_STAGE_FORK, errno};
    sv_close_fd(&r->out[1]);
    sv_close_fd(&r->err[1]);
    r->alive_ns = sv_now_ns();
}

static void order(struct running *r, enum sv_order what)
{
    struct sv_command command = {.order = what, .serial = r->serial};
    r->ordered = 1;
    if (sv_send(r->template->control, &command, sizeof command, NULL, 0) != 0)
        r->result.error = (struct sv_error){SV_STAGE_REPLY, errno};
}

/* One look at a running command. Returns 1 when it is over. */
static int pump(struct running *r, const struct pollfd polled[3])
{
    uint64_t now = sv_now_ns();
    if (r->out[0] >= 0 && polled[1].revents != 0)
        drain(&r->out[0], r, 0);
    if (r->err[0] >= 0 && polled[2].revents != 0)
        drain(&r->err[0], r, 1);
    if (polled[0].revents != 0) {
        struct sv_done done;
        r->alive_ns = now;
        ssize_t n = sv_recv(r->template->control, &done, sizeof done, NULL, 0);
        if (n <= 0) {
            r->result.error = (struct sv_error){SV_STAGE_REPLY, n == 0 ? ECONNRESET : errno};
            return 1;
        }
        if (done.serial == r->serial || done.error.stage != 0) {
            r->result.done = done;
            r->result.error = done.error;
            return 1;
        }
    }
    if (now - r->alive_ns > HUNG_NS)
        r->result.error = (struct sv_error){SV_STAGE_REPLY, ETIMEDOUT};
    else if (!r->ordered && r->seen > r->job->limits.output_bytes)
        order(r, SV_ORDER_OUTPUT);
    else if (!r->ordered && sv_unwanted(r->job))
        order(r, SV_ORDER_ABORT);
    return r->result.error.stage != 0;
}

void sv_wait(struct worker *w, struct running *const *runs, int n)
{
    struct pollfd polled[2][3];
    for (int i = 0; i < n; i++)
        runs[i]->over = runs[i]->result.error.stage != 0;
    for (;;) {
        int left = 0;
        for (int i = 0; i < n; i++) {
            const int over = runs[i]->over;
            polled[i][0] = (struct pollfd){.fd = over ? -1 : runs[i]->template->control, .events = POLLIN};
            polled[i][1] = (struct pollfd){.fd = over ? -1 : runs[i]->out[0], .events = POLLIN};
            polled[i][2] = (struct pollfd){.fd = over ? -1 : runs[i]->err[0], .events = POLLIN};
            left += !over;
        }
        if (left == 0)
            break;
        if (poll(polled[0], (nfds_t)(3 * n), POLL_MS) < 0 && errno != EINTR)
            break; /* cannot happen; what is not over is retired below */
        for (int i = 0; i < n; i++) {
            if (runs[i]->over)
                continue;
            runs[i]->over = pump(runs[i], polled[i]);
            /* A command that failed leaves the other without its peer: end that one as well. */
            if (runs[i]->over && runs[i]->result.error.stage != 0 && n == 2 && !runs[1 - i]->over)
                order(runs[1 - i], SV_ORDER_ABORT);
        }
    }
    for (int i = 0; i < n; i++) {
        struct running *r = runs[i];
        if (!r->over)
            r->result.error = (struct sv_error){SV_STAGE_REPLY, EIO};
        if (r->out[0] >= 0)
            drain(&r->out[0], r, 0);
        if (r->err[0] >= 0)
            drain(&r->err[0], r, 1);
        close_pipes(r);
        r->flooded = r->seen > r->job->limits.output_bytes;
        if (r->result.error.stage != 0 || r->result.done.dirty != 0) {
            /* A touched scratch is never cleaned: its template goes, and it with it. */
            sv_retire(w, r->template);
            if (r->result.error.stage == 0)
                sv_count(w->pool, &w->pool->statistics.recycled);
        }
    }
}

void sv_note_flood(struct worker *w, enum side side, const struct running *r)
{
    const uint32_t next = r->result.done.next;
    if (r->flooded && r->result.error.stage == 0 && next > 0 && next <= SV_MAX_CELLS)
        w->memory[side].region->records[next - 1] = (struct sv_record){.verdict = SV_OUTPUT};
}

/* ---- cells ---------------------------------------------------------------------------------------- */

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
    if (len > 0 && verdict != SV_PASS) {
        pthread_mutex_lock(&job->details_lock);
        store_detail(job, at, detail, len, last_detail);
        pthread_mutex_unlock(&job->details_lock);
    }
}

void sv_leave_out(struct sv_job *job, uint32_t row, uint32_t cell, const char *why, uint32_t len)
{
    uint32_t last = 0;
    const size_t at = (size_t)row * job->cells + cell;
    job->trust[at] = SV_TRUST_INLINE;
    pthread_mutex_lock(&job->details_lock);
    store_detail(job, at, why, len, &last);
    pthread_mutex_unlock(&job->details_lock);
}

void sv_explain_holes(struct sv_job *job, uint32_t row, struct sv_error error)
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

static int fill(struct worker *w, struct sv_job *job, uint32_t row, const uint32_t *cells,
                uint32_t count)
{
    sv_prepare(w, SIDE_SUBJECT, job->kind, count);
    if (sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]) != 0)
        return -1;
    if (cells != NULL) {
        for (uint32_t i = 0; i < count; i++)
            if (sv_put(w, SIDE_SUBJECT, job->cell_blobs[cells[i]], job->cell_lens[cells[i]]) != 0)
                return -1;
        return 0;
    }
    for (uint32_t i = 0; i < job->cell_blob_count; i++)
        if (sv_put(w, SIDE_SUBJECT, job->cell_blobs[i], job->cell_lens[i]) != 0)
            return -1;
    return 0;
}

uint32_t sv_inline_cells(struct worker *w, struct sv_job *job, uint32_t row, const uint32_t *cells,
                         uint32_t count, struct sv_error *error)
{
    struct running r = {0};
    struct running *const runs[1] = {&r};
    uint32_t start = 0, holes = 0, last = 0;
    *error = (struct sv_error){0, 0};
    job->out[0].len = job->out[1].len = 0;
    if (fill(w, job, row, cells, count) != 0)
        *error = (struct sv_error){SV_STAGE_PAYLOAD, errno};
    while (error->stage == 0 && start < count && !sv_unwanted(job)) {
        sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], start, -1, &r);
        sv_wait(w, runs, 1);
        sv_note_flood(w, SIDE_SUBJECT, &r);
        *error = r.result.error;
        start = r.result.done.next;
    }
    if (job->kind == SV_KIND_PROGRAM && error->stage == 0)
        job->done = r.result.done;
    for (uint32_t i = 0; i < count; i++) {
        const struct sv_region *region = w->memory[SIDE_SUBJECT].region;
        uint32_t len;
        const char *text = sv_record_detail(region, i, SV_DETAIL_MAX, &len);
        if (error->stage != 0 || region->records[i].verdict == SV_INFRA)
            holes++;
        else
            sv_settle_cell(job, row, cells != NULL ? cells[i] : i, region->records[i].verdict,
                           region->records[i].cpu_us, SV_TRUST_INLINE, text, len, &last);
    }
    if (sv_clear(w, SIDE_SUBJECT) != 0)
        *error = (struct sv_error){SV_STAGE_REGION, errno};
    return holes;
}
