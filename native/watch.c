/* watch.c - supervision: every cell ends within its limit and grace, whatever runs it.
 *
 * In: a fork, the command it runs, limits of a cell.  Out: how it ended, and what it used. Invariant:
 * the worker hears from us at least once a second; nothing here waits without a bound.
 */
#define _GNU_SOURCE
#include "template.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define TICK_NS 1000000000ull      /* how often a running template tells its worker that it lives */
#define LONGEST_SLEEP_NS 100000000ull /* a cell that begins unseen is seen this soon */

int sv_row_is_one_process(const struct sv_template_state *state, const struct sv_limits *limits)
{
    /* Without a pid namespace nobody may have children; in one, a subject whose filter forbids them. */
    return !state->in_pid_namespace || limits->processes == 0;
}

static void kill_row(const struct sv_template_state *state, const struct sv_command *command, pid_t pid)
{
    if (sv_row_is_one_process(state, &command->run.limits))
        (void)kill(pid, SIGKILL); /* not yet reaped, so the pid is still its own */
    else
        (void)kill(-1, SIGKILL); /* all but ourselves, pid 1; ESRCH: nobody left */
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
    const int waits = (run->kind == SV_KIND_JUDGE || run->kind == SV_KIND_SERVE) &&
                      __atomic_load_n(&region->waiting, __ATOMIC_RELAXED) != 0;
    const struct sv_limits *l = watch->limits;
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
    const uint64_t cpu_limit = (l->cpu_us + sv_grace_us(l->cpu_us)) * 1000u;
    const uint64_t used_ns = cpu_ns - began_ns;
    /* Where a judge says that it waits for its subject, or that one for its judge, the other's guard
     * is the one that counts: what computes on a busy machine may take long. */
    const uint64_t idle_limit = 1000u * l->wall_us, wait_limit = 5 * idle_limit + 20 * cpu_limit;
    watch->cpu_at_kill_us = used_ns / 1000u;
    watch->cause = watch->waited_ns >= wait_limit   ? CAUSE_WAITED
                   : watch->idle_ns >= idle_limit ? CAUSE_IDLE
                                                  : CAUSE_TIMEOUT;
    if (used_ns >= cpu_limit || watch->cause != CAUSE_TIMEOUT)
        return 0;
    uint64_t left = cpu_limit - used_ns < idle_limit - watch->idle_ns ? cpu_limit - used_ns
                                                                      : idle_limit - watch->idle_ns;
    return left < LONGEST_SLEEP_NS ? left : LONGEST_SLEEP_NS;
}

static void tick(struct sv_template_state *state, uint64_t now)
{
    struct sv_done sign = {.serial = 0}; /* serial 0: not an end, a sign of life */
    if (now - state->ticked_ns < TICK_NS)
        return;
    (void)sv_send(state->control, &sign, sizeof sign, NULL, 0);
    state->ticked_ns = now;
}

/* What the worker says meanwhile. Returns what the fork is to be killed for, else CAUSE_EXIT. */
static enum cause hear(struct sv_template_state *state, const struct sv_command *command,
                       struct watch *watch)
{
    struct sv_command order;
    if (sv_recv(state->control, &order, sizeof order, NULL, 0) <= 0) {
        watch->worker_gone = 1;
        return CAUSE_ABORT;
    }
    if (order.serial != command->serial || order.order == 0)
        return CAUSE_EXIT;
    return order.order == SV_ORDER_OUTPUT ? CAUSE_OUTPUT : CAUSE_ABORT;
}

void sv_watch(struct sv_template_state *state, const struct sv_command *command, struct watch *watch)
{
    struct pollfd polled[3] = {{.fd = watch->pidfd, .events = POLLIN},
                               {.fd = state->control, .events = POLLIN},
                               {.fd = watch->answers, .events = POLLIN}};
    enum cause killed_for = CAUSE_EXIT; /* or not killed by us */
    for (;;) {
        uint64_t now = sv_now_ns(), cpu = sv_cpu_ns(watch->pid), left = LONGEST_SLEEP_NS;
        /* No clock: it has just ended, and the poll below says so. */
        if (cpu != UINT64_MAX && killed_for == CAUSE_EXIT) {
            left = time_left(state->region, &command->run, cpu, now, watch);
            if (left == 0) {
                killed_for = watch->cause;
                kill_row(state, command, watch->pid);
                left = LONGEST_SLEEP_NS;
            }
        }
        tick(state, now);
        struct timespec timeout = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        if (ppoll(polled, 3, &timeout, NULL) < 0 && errno != EINTR)
            kill_row(state, command, watch->pid); /* cannot happen; never wait unbounded */
        if (polled[1].revents != 0) {
            const enum cause told = hear(state, command, watch);
            if (watch->worker_gone)
                polled[1].fd = -1;
            if (told != CAUSE_EXIT && killed_for == CAUSE_EXIT) {
                killed_for = told;
                kill_row(state, command, watch->pid);
            }
        }
        if ((polled[2].revents & POLLIN) != 0 && killed_for == CAUSE_EXIT) {
            char done;
            if (recv(watch->answers, &done, sizeof done, MSG_DONTWAIT) == sizeof done) {
                watch->cause = CAUSE_ANSWER;
                return;
            }
        }
        if (polled[2].revents != 0)
            polled[2].fd = -1; /* hung up: the poll of its pid tells the rest */
        if (polled[0].revents != 0) {
            pid_t got;
            do
                got = wait4(watch->pid, &watch->wait_status, 0, &watch->usage);
            while (got < 0 && errno == EINTR);
            watch->cause = killed_for;
            return;
        }
    }
}
