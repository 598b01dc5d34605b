/* task.c - the process that plans tests and compares answers, beside the subjects of a judge's template.
 *
 * It runs our code only, on plain data; but that data is written by others, and can cost more time and
 * memory than there is. So it is a fork, watched cell by cell like a subject: what takes too much
 * costs its own cell its verdict, and the process its life. It is kept from row to row and from job to
 * job, because it holds what was planned; `number` tells one such process from the next.
 *
 * In: a command; the cells lie in the region.  Out: marks or verdicts in the region's records, and in
 * sv_done how far it came (`next`), and which process now holds a plan (`task`; 0: none).
 */
#define _GNU_SOURCE
#include "template.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of each test that is planned, whatever the job allows its cells. */
#define PLAN_CPU_US 5000000u
#define PLAN_IDLE_US 10000000u
/* What comparing gets at least: a process that was just forked has pages to copy first. */
#define COMPARE_CPU_US 200000u
#define COMPARE_IDLE_US 2000000u
#define LEAST_MEMORY_BYTES (256ull << 20)

struct go { /* template -> task process, over their own socket; one byte comes back */
    uint64_t address_space_bytes;
    struct sv_limits limits;
};

void sv_task_forget(struct sv_template_state *state)
{
    if (state->task.pid <= 0)
        return;
    close(state->task.pidfd);
    close(state->task.sock);
    state->task.pid = 0;
}

/* ---- in the task process: only async-signal-safe calls until sv_task_next returns ----------------- */

static _Noreturn void fail(int sock, enum sv_stage stage)
{
    struct sv_error error = {stage, errno};
    _exit(send(sock, &error, sizeof error, MSG_NOSIGNAL) == sizeof error ? 126 : 127);
}

static void become_task(struct sv_template_state *state, const struct sv_fault *fault, int sock)
{
    const struct sv_error well = {0, 0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_NAME, "sv-task", 0, 0, 0) != 0)
        fail(sock, SV_STAGE_FORK);
    if (sv_fault_at(fault, SV_STAGE_SUBJECT_SECCOMP) != 0 || sv_filter_install_subject() != 0)
        fail(sock, SV_STAGE_SUBJECT_SECCOMP);
    if (dup2(sock, SV_CHANNEL_IN) < 0 || syscall(SYS_close_range, SV_CHANNEL_IN + 1, ~0u, 0) != 0)
        fail(sock, SV_STAGE_STDIO);
    state->task.sock = SV_CHANNEL_IN;
    state->task.inside = 1;
    state->control = state->scratch_fd = -1;
    if (send(state->task.sock, &well, sizeof well, MSG_NOSIGNAL) != sizeof well)
        _exit(127);
}

int sv_task_next(struct sv_template_state *state)
{
    struct go go;
    struct rlimit limit;
    ssize_t n;
    if (state->task.began && send(state->task.sock, "", 1, MSG_NOSIGNAL) != 1)
        return SV_ROLE_END;
    do
        n = recv(state->task.sock, &go, sizeof go, 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof go)
        return SV_ROLE_END; /* the template is gone */
    /* The soft limit alone: the next job may allow more, and nothing here would raise it. */
    if (getrlimit(RLIMIT_AS, &limit) != 0)
        return SV_ROLE_END;
    limit.rlim_cur = go.address_space_bytes < limit.rlim_max ? go.address_space_bytes : limit.rlim_max;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return SV_ROLE_END;
    state->limits = go.limits;
    state->task.began = 1;
    return SV_ROLE_TASK;
}

/* ---- in the template -------------------------------------------------------------------------------- */

static int is_alive(const struct sv_template_state *state)
{
    struct pollfd gone = {.fd = state->task.pidfd, .events = POLLIN};
    return state->task.pid > 0 && poll(&gone, 1, 0) == 0;
}

/* Returns 1 in the new process, 0 in the template (with done->error set when there is none). */
static int start_task(struct sv_template_state *state, const struct sv_command *command,
                      struct sv_done *done)
{
    int pair[2], pidfd = -1;
    pid_t pid = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        done->error = (struct sv_error){SV_STAGE_FORK, errno};
        return 0;
    }
    if (sv_fault_at(&command->run.fault, SV_STAGE_FORK) == 0)
        pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
    if (pid == 0) {
        become_task(state, &command->run.fault, pair[1]);
        return 1;
    }
    const int saved = errno;
    close(pair[1]);
    if (pid < 0) {
        done->error = (struct sv_error){SV_STAGE_FORK, saved};
        close(pair[0]);
        return 0;
    }
    /* A number that an earlier row left out stays for the next subject to find (see run_row). */
    if (state->last_pid == 0 || pid == state->last_pid + 1)
        state->last_pid = pid;
    state->task.pid = pid;
    state->task.pidfd = pidfd;
    state->task.sock = pair[0];
    state->task.number++;
    struct sv_error error;
    ssize_t n;
    do
        n = recv(pair[0], &error, sizeof error, 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof error)
        error = (struct sv_error){SV_STAGE_FORK, ECHILD}; /* it died before it could say why */
    if (error.stage != 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        sv_task_forget(state);
        done->error = error;
    }
    return 0;
}

/* The process is gone: what became of the cell it was at. Returns the next cell. */
static uint32_t settle(struct sv_region *region, const struct sv_command *command,
                       const struct watch *watch, struct sv_done *done)
{
    const int plans = command->run.kind == SV_KIND_PLAN, status = watch->wait_status;
    char detail[SV_DETAIL_MAX];
    enum sv_verdict verdict = SV_EXCEPTION;
    uint32_t cell = region->cell;
    (void)snprintf(detail, sizeof detail, "while %s", plans ? "the test was planned"
                                                            : "its answer was compared");
    if (cell < command->run.start)
        cell = command->run.start;
    switch (watch->cause) {
    case CAUSE_TIMEOUT:
        verdict = SV_TIMEOUT;
        break;
    case CAUSE_EXIT:
        if (WIFEXITED(status) && WEXITSTATUS(status) == SV_TASK_NO_MEMORY)
            verdict = SV_MEMORY;
        else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
            (void)snprintf(detail, sizeof detail, "signal %d while %s", WTERMSIG(status),
                           plans ? "the test was planned" : "its answer was compared");
        else if (WIFSIGNALED(status)) {
            done->outside = 1; /* killed, and not by us: the cell has no part in it */
            return cell;
        }
        break;
    case CAUSE_ABORT:
        return command->run.cells;
    default: /* it never sleeps: a process that gets no time is the machine's doing */
        done->error = (struct sv_error){SV_STAGE_REPLY, ETIMEDOUT};
        return cell;
    }
    if (cell >= command->run.cells)
        return command->run.cells;
    sv_record_set(region, cell, verdict, 0, detail, strlen(detail));
    return cell + 1;
}

static struct sv_limits limits_of(const struct sv_run *run)
{
    struct sv_limits l = run->limits;
    if (run->kind == SV_KIND_PLAN) {
        l.cpu_us = PLAN_CPU_US;
        l.wall_us = PLAN_IDLE_US;
    } else {
        l.cpu_us = l.cpu_us > COMPARE_CPU_US ? l.cpu_us : COMPARE_CPU_US;
        l.wall_us = l.wall_us > COMPARE_IDLE_US ? l.wall_us : COMPARE_IDLE_US;
    }
    if (l.memory_bytes < LEAST_MEMORY_BYTES)
        l.memory_bytes = LEAST_MEMORY_BYTES;
    return l;
}

int sv_run_task(struct sv_template_state *state, const struct sv_command *command, struct sv_done *done)
{
    struct sv_region *region = state->region;
    const struct sv_run *run = &command->run;
    const struct sv_limits limits = limits_of(run);

    done->next = run->start;
    if (state->task.pid > 0 && !is_alive(state)) {
        (void)waitpid(state->task.pid, NULL, 0);
        sv_task_forget(state);
    }
    if (run->task != 0 && (state->task.pid <= 0 || state->task.number != run->task))
        return 0; /* the plan is lost, and the worker makes it anew */
    if (state->task.pid <= 0) {
        const int inside = start_task(state, command, done);
        if (inside || done->error.stage != 0)
            return inside;
    }
    struct watch watch = {.pid = state->task.pid,
                          .pidfd = state->task.pidfd,
                          .answers = state->task.sock,
                          .limits = &limits,
                          .cell = run->start,
                          .looked_ns = sv_now_ns(),
                          .cpu_ns = sv_cpu_ns(state->task.pid)};
    watch.cell_cpu_ns = watch.cpu_ns;
    region->kind = run->kind;
    region->cells = run->cells;
    region->start = region->cell = run->start;
    region->cell_cpu_ns = watch.cpu_ns;
    const struct go go = {state->base_vm_bytes + limits.memory_bytes, limits};
    /* If it is gone since, the watch sees that. */
    (void)send(state->task.sock, &go, sizeof go, MSG_NOSIGNAL);
    sv_watch(state, command, &watch);
    if (watch.cause == CAUSE_ANSWER) {
        done->next = run->cells;
        done->task = state->task.number;
    } else {
        sv_task_forget(state);
        done->next = settle(region, command, &watch, done);
    }
    return watch.worker_gone ? -1 : 0;
}
