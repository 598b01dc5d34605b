/* template.c - forks one subject per row (one more after each kill), supervises it, sweeps up.
 *
 * In: a run command with the subject's stdio; the row itself lies in the region, and the template
 * never looks at its payload.  Out: one sv_done, when every process of the row is gone.
 * Invariants: a cell ends within its limit and grace whatever the subject does; verdicts that the
 * subject did not live to write are written here; each fork advances the row by a cell or more.
 */
#define _GNU_SOURCE
#include "template.h"

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



/* After the subject: nothing of its row may remain. */
static void sweep(struct sv_template_state *state, const struct sv_limits *limits)
{
    if (sv_row_is_one_process(state, limits))
        return; /* its filter forbade children */
    pid_t got;
    do {
        (void)kill(-1, SIGKILL);
        got = wait4(-1, NULL, 0, NULL); /* orphans become ours: pid 1 */
    } while (got > 0 || (got < 0 && errno == EINTR));
    sv_task_forget(state); /* if there was one, it went as well */
}

static uint64_t microseconds(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
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
    if (watch->cause == CAUSE_EXIT && region->stopped != 0 && (channel || cell > start))
        return cell; /* its peer is gone; the worker pairs it with a new one */
    switch (watch->cause) {
    case CAUSE_TIMEOUT:
    case CAUSE_IDLE:
        verdict = SV_TIMEOUT;
        (void)snprintf(detail, sizeof detail, loading ? "while the solution was loaded" : "");
        break;
    case CAUSE_OUTPUT:
        verdict = SV_OUTPUT;
        break;
    case CAUSE_WAITED:
        if (kind == SV_KIND_SERVE)
            return cell; /* its judge was what took so long, and says so itself */
        verdict = SV_TIMEOUT;
        break;
    case CAUSE_ABORT:
        return cells;
    case CAUSE_ANSWER: /* a task's */
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

void sv_begin_region(struct sv_region *region, const struct sv_run *run, uint32_t start)
{
    region->kind = run->kind;
    region->cells = run->cells;
    region->start = region->cell = start;
    region->loading = 1;
    region->stopped = region->waiting = 0;
    region->cell_cpu_ns = 0;
}

/* Forks a subject, whose word that all is well, or what failed, comes through *report. Returns 1 in the
 * subject, 0 in the template, -1 with done->error set. */
static int fork_subject(struct sv_template_state *state, const struct sv_command *command,
                        const int fds[SV_WIRE_FDS], uint32_t start, struct watch *watch, int *report,
                        struct sv_done *done)
{
    const struct sv_run *run = &command->run;
    struct sv_region *region = state->region;
    int ends[2];
    pid_t pid = -1;
    sv_begin_region(region, run, start);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        done->error = (struct sv_error){SV_STAGE_FORK, errno};
        return -1;
    }
    if (sv_fault_at(&run->fault, SV_STAGE_FORK) == 0)
        pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &watch->pidfd, NULL, NULL);
    if (pid == 0) {
        /* A row that used pids (threads) moved the namespace's counter, which the next row
         * could read like a note: this template is used up. */
        const int stale = run->fresh != 0 && start == run->start && state->in_pid_namespace &&
                          state->last_pid != 0 && getpid() != state->last_pid + 1;
        sv_become_subject(state, run, fds, ends[1], sv_row_cpu_s(run->cells - start, &run->limits), stale);
        return 1;
    }
    const int saved = errno;
    close(ends[1]);
    if (pid < 0) {
        done->error = (struct sv_error){SV_STAGE_FORK, saved};
        close(ends[0]);
        return -1;
    }
    watch->pid = state->last_pid = pid;
    *report = ends[0];
    return 0;
}

/* After a subject: what it said before it began, what it used, how it ended. Returns what failed before
 * it ran a line of the row, if anything. */
static struct sv_error take_stock(const struct sv_command *command, uint32_t start, struct watch *watch,
                                  int report, struct sv_done *done)
{
    /* Silence is a subject that died before it began: our failure, never its answer. */
    struct sv_error reported[2] = {{SV_STAGE_FORK, ECHILD}, {0, 0}};
    const struct sv_limits *limits = &command->run.limits;
    const ssize_t n = read(report, reported, sizeof reported);
    close(report);
    const uint64_t used_us = microseconds(&watch->usage.ru_utime) + microseconds(&watch->usage.ru_stime);
    const uint64_t rss_bytes = (uint64_t)watch->usage.ru_maxrss * 1024u;
    done->wait_status = watch->wait_status;
    done->cpu_us += used_us;
    if (rss_bytes > done->max_rss_bytes)
        done->max_rss_bytes = rss_bytes;
    if (watch->cause == CAUSE_EXIT && used_us >= sv_row_cpu_s(command->run.cells - start, limits) * 1000000u)
        watch->cause = CAUSE_TIMEOUT; /* the backstop's SIGKILL */
    if (limits->processes != 0 && WIFSIGNALED(watch->wait_status))
        watch->own_sigkill = 1; /* children may kill their parent, so SIGKILL proves nothing */
    const int killed = watch->cause == CAUSE_EXIT && !watch->own_sigkill &&
                       WIFSIGNALED(watch->wait_status) && WTERMSIG(watch->wait_status) == SIGKILL;
    done->outside = watch->cause == CAUSE_ABORT || killed;
    return reported[n == sizeof reported];
}

/* Returns 1 in a subject, 0 in the template, -1 when the worker has gone. */
static int run_row(struct sv_template_state *state, const struct sv_command *command,
                   const int fds[SV_WIRE_FDS], const struct scratch *scratch_before, struct sv_done *done)
{
    struct sv_region *region = state->region;
    const uint32_t cells = command->run.cells, kind = command->run.kind;
    const uint64_t began_ns = sv_now_ns();
    uint32_t start = command->run.start;
    int once = 0, worker_gone = 0;

    if (command->run.fresh != 0)
        settled_cells = 0;
    keep_settled(region, start);
    while (start < cells && !worker_gone && !once) {
        int report = -1;
        struct watch watch = {.pidfd = -1,
                              .answers = -1,
                              .limits = &command->run.limits,
                              .cell = start,
                              .looked_ns = sv_now_ns()};
        const int forked = fork_subject(state, command, fds, start, &watch, &report, done);
        if (forked > 0)
            return 1;
        if (forked < 0)
            break;
        sv_watch(state, command, &watch);
        close(watch.pidfd);
        sweep(state, &command->run.limits);
        const struct sv_error failed = take_stock(command, start, &watch, report, done);
        worker_gone = watch.worker_gone;
        if (failed.stage != 0 && watch.cause != CAUSE_ABORT) {
            done->error = failed; /* the subject never ran a line of the row */
            break;
        }
        memcpy(region->records, settled, start * sizeof settled[0]);
        const uint32_t next = settle(region, &watch, start, cells, kind, fds[3] >= 0);
        if (!done->outside && kind != SV_KIND_SERVE)
            fill_gaps(region, next);
        keep_settled(region, next);
        start = next;
        /* After a flood the worker empties the pipe before the next cell; a channel's other end
         * has to be told of the next subject; the next cell finds no file of this one's. */
        once = watch.cause == CAUSE_OUTPUT || fds[3] >= 0 || touched(state, scratch_before);
    }
    done->wall_us = (sv_now_ns() - began_ns) / 1000u;
    done->dirty = (uint32_t)touched(state, scratch_before);
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
    if (state->task.inside)
        return sv_task_next(state);
    if (state->recycle != SV_RECYCLE_OFF)
        return sv_keeper_serve(state);
    if (look_at(state->scratch_fd, &scratch) != 0)
        return -1;
    for (;;) {
        struct sv_command command;
        struct sv_done done = {.error = {0, 0}};
        int fds[SV_WIRE_FDS], inside = 0;
        ssize_t n = sv_recv(state->control, &command, sizeof command, fds, SV_WIRE_FDS);
        if (n <= 0)
            return n == 0 ? SV_ROLE_END : -1;
        const int task = is_task(command.run.kind);
        if (command.order == 0) /* an order for a row that has ended is too late */
            inside = task ? sv_run_task(state, &command, &done)
                          : run_row(state, &command, fds, &scratch, &done);
        if (inside > 0)
            return task ? sv_task_next(state) : SV_ROLE_SUBJECT;
        for (int i = 0; i < SV_WIRE_FDS; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        if (inside < 0)
            return SV_ROLE_END;
        if (command.order != 0)
            continue;
        done.serial = command.serial;
        if (sv_fault_at(&command.run.fault, SV_STAGE_REPLY) != 0)
            _exit(1);
        if (sv_send(state->control, &done, sizeof done, NULL, 0) != 0)
            return -1;
    }
}
