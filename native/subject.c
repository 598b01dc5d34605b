/* subject.c - what a fork of the template does before it runs a row.
 *
 * In: the row's limits and descriptors.  Out: a word to the template that all is well, or the address
 * of what failed. Invariant: only async-signal-safe calls until sv_template_serve returns in the fork.
 */
#define _GNU_SOURCE
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TASKS_TO_COME 1000 /* that our uid may start elsewhere while a template lives */

uint64_t sv_grace_us(uint64_t limit_us)
{
    return limit_us / 5 < 100000 ? limit_us / 5 : 100000;
}

int sv_limit(int resource, uint64_t value, uint64_t beyond)
{
    struct rlimit old, wanted;
    if (getrlimit((__rlimit_resource_t)resource, &old) != 0)
        return -1;
    wanted.rlim_cur = (rlim_t)value < old.rlim_max ? (rlim_t)value : old.rlim_max;
    wanted.rlim_max = (rlim_t)(value + beyond) < old.rlim_max ? (rlim_t)(value + beyond) : old.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &wanted);
}

uint64_t sv_row_cpu_s(uint32_t cells, const struct sv_limits *l)
{
    return cells * (l->cpu_us + sv_grace_us(l->cpu_us)) / 1000000u + 2;
}

static int subject_rlimits(const struct sv_template_state *state, uint64_t cpu_s,
                           const struct sv_limits *l)
{
    /* CPU: SIGXCPU first, which leaves SIGKILL to mean something else. */
    if (sv_limit(RLIMIT_AS, state->base_vm_bytes + l->memory_bytes, 0) != 0 ||
        sv_limit(RLIMIT_CPU, cpu_s, 1) != 0 || sv_limit(RLIMIT_FSIZE, l->file_bytes, 0) != 0 ||
        sv_limit(RLIMIT_NOFILE, l->open_files, 0) != 0)
        return -1;
    /* The soft limit alone: programs raise it, and may. */
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) != 0)
        return -1;
    stack.rlim_cur = l->stack_bytes < stack.rlim_max ? l->stack_bytes : stack.rlim_max;
    if (setrlimit(RLIMIT_STACK, &stack) != 0)
        return -1;
    /* Counted per uid, with all that the uid does elsewhere where it is not the jail's own: then the
     * bound is wide, but a bomb still ends before the machine's last pid. */
    uint64_t tasks = (uint64_t)l->threads + 2 + (state->task.pid > 0);
    if (!state->in_pid_namespace && !state->own_uid) {
        if (state->tasks_outside == 0)
            return 0;
        tasks += state->tasks_outside + TASKS_TO_COME;
    }
    return sv_limit(RLIMIT_NPROC, tasks, 0);
}

static int subject_stdio(const int fds[SV_WIRE_FDS])
{
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && dup2(fds[i], i) < 0)
            return -1;
    return 0;
}

/* Closes everything but stdio and the channel. */
static int subject_descriptors(const int fds[SV_WIRE_FDS])
{
    if (fds[3] < 0)
        return (int)syscall(SYS_close_range, SV_CHANNEL_IN, ~0u, 0);
    /* They came in this order, so the second's number is the higher one, and not SV_CHANNEL_IN. */
    if (dup2(fds[3], SV_CHANNEL_IN) < 0 || dup2(fds[4], SV_CHANNEL_OUT) < 0)
        return -1;
    return (int)syscall(SYS_close_range, SV_CHANNEL_OUT + 1, ~0u, 0);
}

void sv_become_subject(struct sv_template_state *state, const struct sv_run *run,
                       const int fds[SV_WIRE_FDS], int report, uint64_t cpu_s, int stale)
{
    int stage = SV_STAGE_FORK;
    state->limits = run->limits;
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
    if (fds[3] >= 0 && report <= SV_CHANNEL_OUT) { /* it must not lie where the channel will */
        int moved = fcntl(report, F_DUPFD_CLOEXEC, SV_CHANNEL_OUT + 1);
        if (moved < 0)
            goto failed;
        report = moved;
    }
    const struct sv_error well = {0, 0};
    if (write(report, &well, sizeof well) != sizeof well)
        goto failed;
    if (subject_descriptors(fds) == 0)
        return;
failed:;
    struct sv_error error = {stage, errno};
    ssize_t n = write(report, &error, sizeof error);
    _exit(n == sizeof error ? 126 : 127);
}

