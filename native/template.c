/* template.c - forks one subject per row (one more after each kill), supervises it, sweeps up.
 *
 * In: a run command with the subject's stdio; the row itself lies in the region, and the template
 * never looks at its payload.  Out: one sv_done, when every process of the row is gone.
 * Invariants: a cell ends within its limit and grace whatever the subject does; verdicts that the
 * subject did not live to write are written here; each fork advances the row by a cell or more.
 */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_NS 1000000000ull      /* how often a running template tells its worker that it lives */
#define LONGEST_SLEEP_NS 100000000ull /* a cell that begins unseen is seen this soon */

#define TASKS_TO_COME 1000 /* that our uid may start elsewhere while a template lives */

enum cause { CAUSE_EXIT, CAUSE_TIMEOUT, CAUSE_OUTPUT, CAUSE_ABORT };

/* How far past its limit a cell may run, so that "just too slow" is told from "endless". */
static uint64_t grace_us(uint64_t limit_us)
{
    return limit_us / 5 < 100000 ? limit_us / 5 : 100000;
}

/* ---- in the child: only async-signal-safe calls until sv_template_serve returns --------------- */

static int limit(int resource, uint64_t value, uint64_t beyond)
{
    struct rlimit old, wanted;
    if (getrlimit((__rlimit_resource_t)resource, &old) != 0)
        return -1;
    wanted.rlim_cur = (rlim_t)value < old.rlim_max ? (rlim_t)value : old.rlim_max;
    wanted.rlim_max = (rlim_t)(value + beyond) < old.rlim_max ? (rlim_t)(value + beyond) : old.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &wanted);
}

/* A backstop for the whole row, in seconds; the template is the one that counts cells. */
static uint64_t row_cpu_s(uint32_t cells, const struct sv_limits *l)
{
    return cells * (l->cpu_us + grace_us(l->cpu_us)) / 1000000u + 2;
}

static int subject_rlimits(const struct sv_template_state *state, uint64_t cpu_s,
                           const struct sv_limits *l)
{
    /* CPU: SIGXCPU first, which leaves SIGKILL to mean something else. */
    if (limit(RLIMIT_AS, state->base_vm_bytes + l->memory_bytes, 0) != 0 ||
        limit(RLIMIT_CPU, cpu_s, 1) != 0 || limit(RLIMIT_FSIZE, l->file_bytes, 0) != 0 ||
        limit(RLIMIT_NOFILE, l->open_files, 0) != 0)
        return -1;
    /* Counted per uid, with all that the uid does elsewhere where it is not the jail's own: then the
     * bound is wide, but a bomb still ends before the machine's last pid. */
    uint64_t tasks = (uint64_t)l->threads + 2;
    if (!state->in_pid_namespace && !state->own_uid) {
        if (state->tasks_outside == 0)
            return 0;
        tasks += state->tasks_outside + TASKS_TO_COME;
    }
    return limit(RLIMIT_NPROC, tasks, 0);
}

static int subject_stdio(const int fds[SV_WIRE_FDS])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && dup2(fds[i], i) < 0)
            return -1;
    return 0;
}

/* Closes everything but stdio and the channel. */
static int subject_descriptors(int channel)
{
    if (channel < 0)
        return (int)syscall(SYS_close_range, 3, ~0u, 0);
    if (channel != SV_CHANNEL_FD && dup2(channel, SV_CHANNEL_FD) < 0)
        return -1;
    return (int)syscall(SYS_close_range, SV_CHANNEL_FD + 1, ~0u, 0);
}

/* Returns, or ends the process after telling the template why through `report`. */
static void become_subject(const struct sv_template_state *state, const struct sv_run *run,
                           const int fds[SV_WIRE_FDS], int report, uint64_t cpu_s, int stale)
{
    int stage = SV_STAGE_FORK;
    const struct sv_fault *fault = &run->fault;
    if (stale) {
        errno = ESTALE;
        goto failed;
    }
    stage = SV_STAGE_STDIO;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || sv_fault_at(fault, stage) != 0 ||
        subject_stdio(fds) != 0)
        goto failed;
    stage = SV_STAGE_SUBJECT_RLIMIT;
    if (sv_fault_at(fault, stage) != 0 || subject_rlimits(state, cpu_s, &run->limits) != 0)
        goto failed;
    stage = SV_STAGE_SUBJECT_SECCOMP;
    if (sv_fault_at(fault, stage) != 0 ||
        (run->limits.processes == 0 && sv_filter_install_subject() != 0))
        goto failed;
    stage = SV_STAGE_PAYLOAD;
    if (sv_fault_at(fault, stage) != 0)
        goto failed;
    if (fds[3] >= 0 && report == SV_CHANNEL_FD) { /* it must not lie where the channel will */
        int moved = fcntl(report, F_DUPFD_CLOEXEC, SV_CHANNEL_FD + 1);
        if (moved < 0)
            goto failed;
        report = moved;
    }
    const struct sv_error well = {0, 0};
    if (write(report, &well, sizeof well) != sizeof well)
        goto failed;
    if (subject_descriptors(fds[3]) == 0)
        return;
failed:;
    struct sv_error error = {stage, errno};
    ssize_t n = write(report, &error, sizeof error);
    _exit(n == sizeof error ? 126 : 127);
}

/* ---- in the template --------------------------------------------------------------------------- */

struct watch {
    enum cause cause;
    int wait_status;
    struct rusage usage;
    uint64_t cpu_at_kill_us;
    int worker_gone;
    int own_sigkill; /* a SIGKILL may be the row's own doing */
    uint32_t cell; /* the furthest we saw it, and when we saw it first */
    uint64_t cell_cpu_ns, idle_ns, waited_ns;
    uint64_t looked_ns, cpu_ns; /* the last look */
};

static uint64_t microseconds(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
}

static void kill_row(const struct sv_template_state *state, pid_t pid)
{
    if (state->in_pid_namespace)
        (void)kill(-1, SIGKILL); /* all but ourselves, pid 1; ESRCH: nobody left */
    else
        (void)kill(pid, SIGKILL); /* not yet reaped, so the pid is still its own */
}

/* Nanoseconds until the current cell must be looked at again; 0: it has run out.
 *
 * The wall guard counts idle time: of each stretch between two looks, what is left after taking
 * twenty times the CPU time used in it. A program that computes on a machine with twenty runnable
 * rivals is not idle, so load does not time it out; one that sleeps or waits is.
 *
 * The subject says which cell it runs and when that began, but it may lie: only a cell further on
 * in the row gets time of its own, a start later than our first sight of the cell counts as that
 * sight, and RLIMIT_CPU bounds the row whatever it says. */
static uint64_t time_left(const struct sv_region *region, const struct sv_run *run, uint64_t cpu_ns,
                          uint64_t now_ns, struct watch *watch)
{
    /* Each word is read once: the subject runs. */
    const uint32_t cell = __atomic_load_n(&region->cell, __ATOMIC_RELAXED);
    uint64_t began_ns = __atomic_load_n(&region->cell_cpu_ns, __ATOMIC_RELAXED);
    const int waits = run->kind == SV_KIND_JUDGE &&
                      __atomic_load_n(&region->waiting, __ATOMIC_RELAXED) != 0;
    const struct sv_limits *l = &run->limits;
    const uint64_t stretch_ns = now_ns - watch->looked_ns, busy_ns = (cpu_ns - watch->cpu_ns) * 20;
    if (cell > watch->cell && cell < run->cells) {
        watch->cell = cell;
        watch->cell_cpu_ns = cpu_ns;
        watch->idle_ns = watch->waited_ns = 0;
    } else if (stretch_ns > busy_ns) {
        *(waits ? &watch->waited_ns : &watch->idle_ns) += stretch_ns - busy_ns;
    }
    watch->looked_ns = now_ns;
    watch->cpu_ns = cpu_ns;
    if (began_ns > watch->cell_cpu_ns)
        began_ns = watch->cell_cpu_ns;
    const uint64_t cpu_limit = (l->cpu_us + grace_us(l->cpu_us)) * 1000u;
    const uint64_t used_ns = cpu_ns - began_ns;
    /* Where a judge says that it waits for its subject, that one's guard is the one that counts:
     * a subject that computes on a busy machine may take long. */
    const uint64_t idle_limit = 1000u * l->wall_us, wait_limit = 5 * idle_limit + 20 * cpu_limit;
    watch->cpu_at_kill_us = used_ns / 1000u;
    if (used_ns >= cpu_limit || watch->idle_ns >= idle_limit || watch->waited_ns >= wait_limit)
        return 0;
    uint64_t left = cpu_limit - used_ns < idle_limit - watch->idle_ns ? cpu_limit - used_ns
                                                                      : idle_limit - watch->idle_ns;
    return left < LONGEST_SLEEP_NS ? left : LONGEST_SLEEP_NS;
}

static void watch_subject(struct sv_template_state *state, const struct sv_command *command,
                          pid_t pid, int pidfd, struct watch *watch)
{
    struct pollfd polled[2] = {{.fd = pidfd, .events = POLLIN},
                               {.fd = state->control, .events = POLLIN}};
    int killed = 0;
    watch->cause = CAUSE_EXIT;
    for (;;) {
        uint64_t now = sv_now_ns(), cpu = sv_cpu_ns(pid), left = LONGEST_SLEEP_NS;
        if (cpu != UINT64_MAX && !killed) /* else it has just ended: the poll below says so */
            left = time_left(state->region, &command->run, cpu, now, watch);
        if (left == 0) {
            watch->cause = CAUSE_TIMEOUT;
            kill_row(state, pid);
            killed = 1;
            left = LONGEST_SLEEP_NS;
        }
        if (now - state->ticked_ns >= TICK_NS) {
            struct sv_done tick = {.serial = 0}; /* serial 0: not an end, a sign of life */
            (void)sv_send(state->control, &tick, sizeof tick, NULL, 0);
            state->ticked_ns = now;
        }
        struct timespec timeout = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        if (ppoll(polled, 2, &timeout, NULL) < 0 && errno != EINTR)
            kill_row(state, pid); /* cannot happen; never wait unbounded */
        if (polled[1].revents != 0) {
            struct sv_command order;
            ssize_t n = sv_recv(state->control, &order, sizeof order, NULL, 0);
            if (n <= 0) {
                watch->worker_gone = 1;
                kill_row(state, pid);
                killed = 1;
                polled[1].fd = -1;
            } else if (order.serial == command->serial && order.order != 0 && !killed) {
                watch->cause = order.order == SV_ORDER_OUTPUT ? CAUSE_OUTPUT : CAUSE_ABORT;
                kill_row(state, pid);
                killed = 1;
            }
        }
        if (polled[0].revents != 0) {
            pid_t got;
            do
                got = wait4(pid, &watch->wait_status, 0, &watch->usage);
            while (got < 0 && errno == EINTR);
            return;
        }
    }
}

/* After the subject: nothing of its row may remain. */
static void sweep(const struct sv_template_state *state)
{
    if (!state->in_pid_namespace)
        return; /* its filter forbade children */
    pid_t got;
    do {
        (void)kill(-1, SIGKILL);
        got = wait4(-1, NULL, 0, NULL); /* orphans become ours: pid 1 */
    } while (got > 0 || (got < 0 && errno == EINTR));
}

static enum sv_verdict verdict_of_status(int status, char *detail, size_t size)
{
    if (WIFEXITED(status)) {
        (void)snprintf(detail, size, "exit code %d", WEXITSTATUS(status));
        return SV_EARLY_EXIT;
    }
    int sig = WTERMSIG(status);
    const char *name = sigabbrev_np(sig);
    (void)snprintf(detail, size, "signal %d (SIG%s)", sig, name != NULL ? name : "?");
    switch (sig) {
    case SIGSYS:
        return SV_FORBIDDEN;
    case SIGXCPU:
        return SV_TIMEOUT;
    case SIGXFSZ:
        return SV_OUTPUT;
    case SIGKILL:
        return SV_INFRA; /* not ours and, by the filter, not the subject's own */
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGTRAP:
        return SV_EXCEPTION;
    default:
        return SV_EARLY_EXIT;
    }
}

/* Writes the verdicts that the subject did not live to write; returns the next cell to run. */
static uint32_t settle(struct sv_region *region, const struct watch *watch, uint32_t start,
                       uint32_t cells, uint32_t kind, int channel)
{
    char detail[SV_DETAIL_MAX] = "";
    enum sv_verdict verdict = SV_INFRA;
    uint64_t cpu_us = watch->cpu_at_kill_us;
    uint32_t cell = region->cell; /* the subject's word, and so is all of the region by now */
    int loading = region->loading != 0;

    if (cell < start)
        cell = start;
    /* A program passes by leaving with 0, in time, whatever it wrote of itself. */
    const int left = watch->cause == CAUSE_EXIT && WIFEXITED(watch->wait_status);
    if (kind == SV_KIND_PROGRAM && (!left || (WEXITSTATUS(watch->wait_status) != 0 &&
                                              region->records[0].verdict == SV_PASS))) {
        region->records[0].verdict = SV_INFRA;
        cell = 0;
    }
    if (cell >= cells)
        return cells; /* the subject wrote every verdict itself */
    if (watch->cause == CAUSE_EXIT && channel && region->stopped != 0)
        return cell; /* its peer is gone; the worker pairs it with a new one */
    switch (watch->cause) {
    case CAUSE_TIMEOUT:
        verdict = SV_TIMEOUT;
        (void)snprintf(detail, sizeof detail, loading ? "while the solution was loaded" : "");
        break;
    case CAUSE_OUTPUT:
        verdict = SV_OUTPUT;
        break;
    case CAUSE_ABORT:
        return cells;
    case CAUSE_EXIT:
        verdict = verdict_of_status(watch->wait_status, detail, sizeof detail);
        break;
    }
    if (verdict == SV_INFRA && watch->own_sigkill)
        verdict = SV_EARLY_EXIT;
    if (verdict == SV_INFRA)
        return cells; /* holes; the worker tries the row again */
    uint32_t last = loading ? cells : cell + 1;
    for (uint32_t i = cell; i < last; i++)
        sv_record_set(region, i, verdict, cpu_us, detail, strlen(detail));
    return last;
}

/* A subject that claims to have passed cells by which it never judged, or blanks those that others
 * of its row were judged by, must not leave holes: only the machine makes holes. */
static void fill_gaps(struct sv_region *region, uint32_t next)
{
    static const char detail[] = "left without an answer";
    for (uint32_t i = 0; i < next; i++)
        if (region->records[i].verdict == SV_INFRA)
            sv_record_set(region, i, SV_EARLY_EXIT, 0, detail, sizeof detail - 1);
}

/* Verdicts of the row so far, and of how many cells. A later subject may write all over the region;
 * what was too late stays too late. */
static struct sv_record settled[SV_MAX_CELLS];
static uint32_t settled_cells;

static void keep_settled(const struct sv_region *region, uint32_t cells)
{
    if (cells > settled_cells)
        memcpy(&settled[settled_cells], &region->records[settled_cells],
               (cells - settled_cells) * sizeof settled[0]);
    settled_cells = cells;
}

struct scratch {
    struct stat st;
    long listed; /* bytes of its listing; files may come and stay within one tick of its clock */
};

static int look_at(int folder, struct scratch *scratch)
{
    char names[512];
    if (fstat(folder, &scratch->st) != 0 || lseek(folder, 0, SEEK_SET) != 0)
        return -1;
    scratch->listed = syscall(SYS_getdents64, folder, names, sizeof names);
    return scratch->listed < 0 ? -1 : 0;
}

static int touched(const struct sv_template_state *state, const struct scratch *before)
{
    struct scratch now;
    if (look_at(state->scratch_fd, &now) != 0)
        return 1;
    return now.st.st_ctim.tv_sec != before->st.st_ctim.tv_sec ||
           now.st.st_ctim.tv_nsec != before->st.st_ctim.tv_nsec || now.listed != before->listed;
}

/* Returns 1 in a subject, 0 in the template, -1 when the worker has gone. */
static int run_row(struct sv_template_state *state, const struct sv_command *command,
                   const int fds[SV_WIRE_FDS], const struct scratch *scratch_before, struct sv_done *done)
{
    struct sv_region *region = state->region;
    const uint32_t cells = command->run.cells;
    const uint64_t began_ns = sv_now_ns();
    const uint32_t first = command->run.start;
    uint32_t start = command->run.start;
    int once = 0, worker_gone = 0;

    if (command->run.fresh != 0)
        settled_cells = 0;
    keep_settled(region, start);
    while (start < cells && !worker_gone && !once) {
        int report[2], pidfd = -1;
        pid_t pid = -1;
        struct watch watch = {.cause = CAUSE_EXIT, .cell = start, .looked_ns = sv_now_ns()};

        region->kind = command->run.kind;
        region->cells = cells;
        region->start = region->cell = start;
        region->loading = 1;
        region->stopped = region->waiting = 0;
        region->cell_cpu_ns = 0;
        if (pipe2(report, O_CLOEXEC) != 0) {
            done->error = (struct sv_error){SV_STAGE_FORK, errno};
            break;
        }
        const uint64_t cpu_s = row_cpu_s(cells - start, &command->run.limits);
        if (sv_fault_at(&command->run.fault, SV_STAGE_FORK) == 0)
            pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
        if (pid == 0) {
            /* A row that used pids (threads) moved the namespace's counter, which the next row
             * could read like a note: this template is used up. */
            const int stale = command->run.fresh != 0 && start == first && state->in_pid_namespace &&
                              state->last_pid != 0 && getpid() != state->last_pid + 1;
            become_subject(state, &command->run, fds, report[1], cpu_s, stale);
            return 1;
        }
        int saved = errno;
        if (pid > 0)
            state->last_pid = pid;
        close(report[1]);
        if (pid < 0) {
            done->error = (struct sv_error){SV_STAGE_FORK, saved};
            close(report[0]);
            break;
        }
        watch_subject(state, command, pid, pidfd, &watch);
        close(pidfd);
        sweep(state);
        /* Silence is a subject that died before it began: our failure, never its answer. */
        struct sv_error reported[2] = {{SV_STAGE_FORK, ECHILD}, {0, 0}};
        const ssize_t n = read(report[0], reported, sizeof reported);
        close(report[0]);
        const struct sv_error failed = reported[n == sizeof reported];
        worker_gone = watch.worker_gone;
        done->wait_status = watch.wait_status;
        const uint64_t used_us = microseconds(&watch.usage.ru_utime) + microseconds(&watch.usage.ru_stime);
        done->cpu_us += used_us;
        if (watch.cause == CAUSE_EXIT && used_us >= cpu_s * 1000000u)
            watch.cause = CAUSE_TIMEOUT; /* the backstop's SIGKILL */
        if (command->run.limits.processes != 0 && WIFSIGNALED(watch.wait_status))
            watch.own_sigkill = 1; /* children may kill their parent, so SIGKILL proves nothing */
        if ((uint64_t)watch.usage.ru_maxrss * 1024u > done->max_rss_bytes)
            done->max_rss_bytes = (uint64_t)watch.usage.ru_maxrss * 1024u;
        if (failed.stage != 0 && watch.cause != CAUSE_ABORT) {
            done->error = failed; /* the subject never ran a line of the row */
            break;
        }
        const int infra = watch.cause == CAUSE_ABORT || (watch.cause == CAUSE_EXIT && !watch.own_sigkill &&
                          WIFSIGNALED(watch.wait_status) && WTERMSIG(watch.wait_status) == SIGKILL);
        done->outside = (uint32_t)infra;
        memcpy(region->records, settled, start * sizeof settled[0]);
        const uint32_t next = settle(region, &watch, start, cells, command->run.kind, fds[3] >= 0);
        if (!infra && command->run.kind != SV_KIND_SERVE)
            fill_gaps(region, next);
        keep_settled(region, next);
        start = next;
        /* After a flood the worker empties the pipe before the next cell; a channel's other end
         * has to be told of the next subject. */
        once = watch.cause == CAUSE_OUTPUT || fds[3] >= 0;
    }
    done->wall_us = (sv_now_ns() - began_ns) / 1000u;
    done->dirty = (uint32_t)touched(state, scratch_before);
    done->serial = command->serial;
    done->next = start;
    return worker_gone ? -1 : 0;
}

static int is_task(uint32_t kind)
{
    return kind == SV_KIND_PLAN || kind == SV_KIND_COMPARE;
}

int sv_template_serve(struct sv_template_state *state)
{
    struct scratch scratch;
    if (look_at(state->scratch_fd, &scratch) != 0)
        return -1;
    if (state->task_serial != 0) {
        struct sv_done done = {.serial = state->task_serial};
        state->task_serial = 0;
        if (sv_send(state->control, &done, sizeof done, NULL, 0) != 0)
            return -1;
    }
    for (;;) {
        struct sv_command command;
        struct sv_done done = {.error = {0, 0}};
        int fds[SV_WIRE_FDS], r = 0;
        ssize_t n = sv_recv(state->control, &command, sizeof command, fds, SV_WIRE_FDS);
        if (n <= 0)
            return n == 0 ? SV_ROLE_END : -1;
        const int task = command.order == 0 && is_task(command.run.kind);
        if (command.order == 0 && !task) { /* an order for a row that has ended is too late */
            r = run_row(state, &command, fds, &scratch, &done);
            if (r == 1)
                return SV_ROLE_SUBJECT;
        }
        for (int i = 0; i < SV_WIRE_FDS; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        if (r < 0)
            return SV_ROLE_END;
        if (task) {
            state->task_serial = command.serial;
            return SV_ROLE_TASK;
        }
        if (command.order != 0)
            continue;
        if (sv_fault_at(&command.run.fault, SV_STAGE_REPLY) != 0)
            _exit(1);
        if (sv_send(state->control, &done, sizeof done, NULL, 0) != 0)
            return -1;
    }
}
