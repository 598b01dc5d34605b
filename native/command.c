/* command.c - one command in one template: started, its output read, its end waited for.
 *
 * In: a side whose region is filled.  Out: how it ended, and the program's output in its job.
 * Invariant: whatever fails half-way, no descriptor of it stays open, and no read here can wait.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_MS 200
#define HUNG_NS 10000000000ull /* a template that says nothing for so long (it ticks each second) */

/* Each cell has the limit for itself. What is in the pipe when a cell is seen to have begun was
 * written by those before it, but for a moment's worth, and is no more than a pipe holds: it counts for
 * nobody. */
static void look_at_cell(int fd, struct running *r)
{
    const uint32_t cell = __atomic_load_n(&r->region->cell, __ATOMIC_RELAXED);
    int there = 0;
    if (r->job->kind != SV_KIND_CELLS || cell <= r->cell || cell >= r->cells ||
        r->seen > r->job->limits.output_bytes || ioctl(fd, FIONREAD, &there) != 0)
        return;
    r->cell = cell;
    r->seen = 0;
    r->before = (uint64_t)there;
}

/* Reads what is there; closes the pipe at its end. Beyond the limit it keeps counting only. */
static void drain(int *fd, struct running *r, int which)
{
    char buffer[16384];
    const uint64_t limit = r->job->limits.output_bytes;
    for (;;) {
        look_at_cell(*fd, r);
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
        const uint64_t before = (uint64_t)n < r->before ? (uint64_t)n : r->before;
        r->before -= before;
        r->seen += (uint64_t)n - before;
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
    sv_close_fd(&r->in);
}

/* A pipe that we read without waiting, and that a program may open again by name (/dev/stdout)
 * under whatever uid it has, for writing only. */
static int output_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 || fchmod(ends[1], 0222) != 0 ? -1 : 0;
}

int sv_write_input(int fd, const struct sv_job *job)
{
    for (size_t at = 0; at < job->stdin_len;) {
        ssize_t n = pwrite(fd, job->stdin_bytes + at, job->stdin_len - at, (off_t)at);
        if (n < 0 && errno != EINTR)
            return -1;
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Standard input in memory, which a subject can read and not write; empty but for a program. Each attempt
 * has its own. */
static int input_file(const struct sv_job *job)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int fd = memfd_create("sv-stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (sv_write_input(fd, job) != 0 || fchmod(fd, 0444) != 0 ||
                    fcntl(fd, F_ADD_SEALS, seals) != 0))
        sv_close_fd(&fd); /* keeps errno: closing a file of memory does not fail */
    return fd;
}

/* Opens what the subject gets, and our ends of it. 0, or -1 with errno; the caller closes. */
static int open_stdio(struct running *r)
{
    const int program = r->job->kind == SV_KIND_PROGRAM;
    /* Never one open file for two rows: its flags would be a note from one to the other. */
    r->in = input_file(r->job);
    if (r->in < 0)
        return -1;
    if (output_pipe(r->out) != 0 || (program && output_pipe(r->err) != 0))
        return -1;
    r->fds[0] = r->in;
    r->fds[1] = r->out[1];
    r->fds[2] = program ? r->err[1] : r->out[1];
    return 0;
}

void sv_start(struct worker *w, enum side side, struct sv_job *job, int place, uint32_t start,
              const int *channel, struct running *r)
{
    struct template *t = &w->templates[side][place];
    const uint32_t kind = w->memory[side].kind;
    const int recycled = place >= SV_MAX_ZYGOTES; /* it has its streams */
    const int no_stdio = recycled || kind == SV_KIND_PLAN || kind == SV_KIND_COMPARE;
    struct sv_command command = {
        .order = 0, .run = {.kind = kind,
                            .cells = w->memory[side].cells,
                            .start = start,
                            .fresh = (uint32_t)w->fresh[side],
                            .task = kind == SV_KIND_COMPARE ? w->plan.task : 0,
                            .limits = job->limits,
                            .fault = job->fault}};
    memset(r, 0, sizeof *r);
    r->template = t;
    r->job = job;
    r->region = w->memory[side].region;
    r->cell = start;
    r->cells = w->memory[side].cells;
    r->out[0] = r->out[1] = r->err[0] = r->err[1] = r->in = -1;
    r->fds[3] = channel != NULL ? channel[0] : -1;
    r->fds[4] = channel != NULL ? channel[1] : -1;
    if (t->control < 0) {
        struct sv_ready ready;
        r->result.error = sv_spawn(w, side, place, &ready);
        if (r->result.error.stage != 0)
            return;
    }
    if (!no_stdio && open_stdio(r) != 0) {
        r->result.error = (struct sv_error){SV_STAGE_STDIO, errno};
        close_pipes(r); /* at once: nobody will ever close the other ends */
        return;
    }
    r->serial = command.serial = ++t->serial;
    r->sent = 1;
    if (sv_send(t->control, &command, sizeof command, r->fds, no_stdio ? 0 : channel != NULL ? 5 : 3) != 0)
        r->result.error = (struct sv_error){SV_STAGE_FORK, errno};
    if (!no_stdio)
        w->fresh[side] = 0;
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

/* After the poll loop: takes what is left of the output, and decides what becomes of the template. */
static void end(struct worker *w, struct running *r)
{
    if (!r->over)
        r->result.error = (struct sv_error){SV_STAGE_REPLY, EIO};
    if (r->out[0] >= 0)
        drain(&r->out[0], r, 0);
    if (r->err[0] >= 0)
        drain(&r->err[0], r, 1);
    close_pipes(r);
    r->flooded = r->seen > r->job->limits.output_bytes;
    if (!r->sent)
        return; /* the template has heard nothing of it */
    /* A touched scratch is never cleaned: its template goes, and it with it. */
    if (r->result.error.stage != 0 || r->result.done.dirty != 0)
        sv_retire(w, r->template);
    if (r->result.error.stage == 0 && r->result.done.dirty != 0)
        sv_count(w->pool, &w->pool->statistics.recycled);
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
    for (int i = 0; i < n; i++)
        end(w, runs[i]);
}

void sv_note_flood(struct worker *w, enum side side, const struct running *r)
{
    const uint32_t next = r->result.done.next;
    if (r->flooded && r->result.error.stage == 0 && next > 0 && next <= SV_MAX_CELLS)
        w->memory[side].region->records[next - 1] = (struct sv_record){.verdict = SV_OUTPUT};
}

