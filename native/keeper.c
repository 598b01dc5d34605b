/* keeper.c - a template that keeps one subject for many rows, and puts it back after each.
 *
 * In: run commands for rows of planned calls, and for programs.  Out: one sv_done each; the row's answers
 * lie in the region, and what it printed in its streams, which the worker blanks before (recycler.c); or
 * the row is handed on (sv_done.handed_on) and nothing of it counts: it has to be run in a forked subject,
 * as every row is where there is no keeper.
 *
 * The subject is forked once, runs programs of our own (jailed/rehearsal.py), takes its last filter and
 * stops. Then all its writable memory and all its registers are copied. A row begins with the stop
 * left, and ends with the next one, which comes before whatever call is off the filter's short list is
 * executed: exit_group is how a row ends.
 *
 * Invariant: every row finds the same memory and registers (pages.c, registers.c), and the same kernel
 * state, because the calls on the list change none and tell of none. Whatever else happens to the
 * subject, it is never used again, and neither is the keeper (sv_done.dirty).
 */
#define _GNU_SOURCE
#include "template.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <sys/ptrace.h>
#include <sys/user.h>

#define REHEARSAL_NS 20000000000ull
/* A row that takes longer saves nothing by being recycled. */
#define ROW_US 20000u
#define CELL_US 2000u
#define MOST_US 1000000u
#define CHECKED_TIMES 10u /* in the checking mode: no slow machine is to decide what is tried */
#define MOST_WALL_NS 8000000000ull /* less than the worker's patience */

struct keeper {
    pid_t pid, reference; /* a fork as the subject was before its rehearsal, which stands still */
    int watch, file, signals; /* userfaultfd; what it is to copy; SIGCHLD */
    struct sv_hot *hot;       /* that file */
    uint64_t resident_bytes;  /* of the reference: of a fork that has written nothing yet */
    struct sv_pages *pages;
    struct sv_registers *registers;
    struct sv_limits limits; /* as the subject finds them in sv_template_state */
    char *status, *status_now; /* what the kernel says of it, in the checking mode */
};

/* ---- waiting -------------------------------------------------------------------------------------- */

enum event { EVENT_CALL, EVENT_TIME, EVENT_ENDED, EVENT_ORDER, EVENT_GONE };

/* After a SIGCHLD: did the subject stop in front of a call? */
static int look(struct keeper *k, enum event *event)
{
    struct signalfd_siginfo info;
    int status;
    while (read(k->signals, &info, sizeof info) == sizeof info)
        ;
    const pid_t got = waitpid(k->pid, &status, WNOHANG | __WALL);
    if (got == 0)
        return 0;
    const int at_call = got == k->pid && WIFSTOPPED(status) &&
                        status >> 8 == (SIGTRAP | (PTRACE_EVENT_SECCOMP << 8));
    *event = at_call ? EVENT_CALL : EVENT_ENDED;
    return 1;
}

/* Until the subject stands in front of a call, its CPU clock or ours has come so far, or the worker says
 * something. Nothing on its list sleeps, but the machine may be busy: of wall time it gets more. */
static enum event wait_for(struct keeper *k, int control, uint64_t cpu_until_ns, uint64_t until_ns)
{
    struct pollfd polled[2] = {{.fd = k->signals, .events = POLLIN}, {.fd = control, .events = POLLIN}};
    enum event event = EVENT_ENDED;
    for (;;) {
        const uint64_t cpu_ns = sv_cpu_ns(k->pid); /* none: it is gone, and the poll says so */
        if (cpu_ns != UINT64_MAX && (cpu_ns >= cpu_until_ns || sv_now_ns() >= until_ns))
            return EVENT_TIME;
        const uint64_t left = cpu_ns == UINT64_MAX ? 1000000 : cpu_until_ns - cpu_ns;
        const struct timespec timeout = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        if (ppoll(polled, 2, &timeout, NULL) < 0 && errno != EINTR)
            return EVENT_ENDED;
        if (polled[0].revents != 0 && look(k, &event))
            return event;
        if (polled[1].revents != 0)
            return (polled[1].revents & POLLIN) != 0 ? EVENT_ORDER : EVENT_GONE;
    }
}

/* ---- checking ------------------------------------------------------------------------------------- */

#define STATUS_BYTES 16384

/* Lines of /proc/PID/status, without those that may change: memory in use and switches. Returns the length
 * of the text, or -1. */
static int read_state(const struct keeper *k, char *text)
{
    static const char *const changing[] = {"State:", "VmPeak:", "VmHWM:", "VmRSS:", "Rss", "VmPTE:", "VmSwap:",
                                           "voluntary_", "nonvoluntary_", "Cpus_", "Mems_", "SigQ:"};
    char path[64], line[512];
    int len = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)k->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL && len < STATUS_BYTES / 2) {
        int skip = 0;
        for (size_t i = 0; i < sizeof changing / sizeof changing[0]; i++)
            skip |= strncmp(line, changing[i], strlen(changing[i])) == 0;
        if (!skip)
            len += snprintf(text + len, sizeof line, "%s", line);
    }
    (void)fclose(file);
    return len;
}

/* And what it has open. 0, or -1 with errno. */
static int read_status(const struct keeper *k, char *text)
{
    const int begun = read_state(k, text);
    char path[64];
    if (begun < 0)
        return -1;
    char *end = text + begun;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)k->pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && end < text + STATUS_BYTES - 512;) {
        char to[128];
        const ssize_t n = readlinkat(dirfd(folder), entry->d_name, to, sizeof to - 1);
        end += snprintf(end, 256, "%.64s %.*s\n", entry->d_name, n > 0 ? (int)n : 0, to);
    }
    (void)closedir(folder);
    return 0;
}

/* Is anything of the row left? 0, or -1 with errno. */
static int check(struct keeper *k)
{
    const long pages = sv_pages_differ(k->pages);
    if (pages < 0 || read_status(k, k->status_now) != 0)
        return -1;
    if (pages > 0 || strcmp(k->status, k->status_now) != 0) {
        errno = EUCLEAN;
        return -1;
    }
    return 0;
}

/* ---- the subject's beginning ---------------------------------------------------------------------- */

/* How much of a process's memory is there. 0: nobody can tell. */
static uint64_t resident_bytes(pid_t pid)
{
    char path[64];
    unsigned long pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    if (file != NULL)
        (void)fclose(file);
    return pages * (uint64_t)SV_PAGE;
}

/* What a rehearsal left in the region, where the first row must find nothing. */
static void blank(struct sv_region *region)
{
    memset(region->records, 0, region->cells * sizeof region->records[0]);
    memset(region->arena, 0, region->arena_len);
    memset(region->payload, 0, region->payload_len);
    memset(region, 0, SV_PAGE);
}

/* Maps the list of hot pages, now that there is a subject, who must not have it so. 0, or -1 with errno. */
static int map_hot(struct keeper *k, int checked)
{
    k->hot = mmap(NULL, sizeof *k->hot, PROT_READ | PROT_WRITE, MAP_SHARED, k->file, 0);
    if (k->hot == MAP_FAILED)
        return -1;
    k->hot->last_word = k->hot->runs[0].to = (uint64_t)checked;
    return 0;
}

/* Holds the new subject until it is parked, and copies it. */
static struct sv_error hold(struct sv_template_state *state, struct keeper *k, int report)
{
    struct sv_error error = {SV_STAGE_RECYCLE_REHEARSAL, ECHILD};
    long nr = -1;
    if (sv_recv(report, &error, sizeof error, &k->watch, 1) <= 0)
        error.stage = SV_STAGE_RECYCLE_REHEARSAL;
    if (error.stage != 0)
        return error;
    if (k->watch < 0 || sv_fault_at(&state->fault, SV_STAGE_RECYCLE_PTRACE) != 0 ||
        ptrace(PTRACE_SEIZE, k->pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP) != 0 ||
        sv_send(report, "", 1, NULL, 0) != 0)
        return (struct sv_error){SV_STAGE_RECYCLE_PTRACE, errno};
    const enum event event = wait_for(k, state->control, REHEARSAL_NS, sv_now_ns() + REHEARSAL_NS);
    if (event != EVENT_CALL)
        return (struct sv_error){SV_STAGE_RECYCLE_REHEARSAL, event == EVENT_TIME ? ETIMEDOUT : ECHILD};
    k->registers = sv_registers_take(k->pid, &nr);
    if (k->registers == NULL)
        return (struct sv_error){SV_STAGE_RECYCLE_PTRACE, errno};
    if (nr != SV_PARKED)
        return (struct sv_error){SV_STAGE_RECYCLE_REHEARSAL, EPROTO};
    blank(state->region);
    if (sv_fault_at(&state->fault, SV_STAGE_RECYCLE_PAGES) == 0 && map_hot(k, state->recycle == SV_RECYCLE_CHECKED) == 0)
        k->pages = sv_pages_take(k->pid, k->watch, k->hot, k->reference, state->region, sizeof *state->region);
    if (k->pages == NULL)
        return (struct sv_error){SV_STAGE_RECYCLE_PAGES, errno};
    const struct rlimit most = {SV_STREAM_BYTES, SV_STREAM_BYTES};
    k->resident_bytes = resident_bytes(k->reference);
    if (prlimit(k->pid, RLIMIT_FSIZE, &most, NULL) != 0)
        return (struct sv_error){SV_STAGE_SUBJECT_RLIMIT, errno};
    if (state->recycle == SV_RECYCLE_CHECKED) {
        k->status = malloc(STATUS_BYTES);
        k->status_now = malloc(STATUS_BYTES);
        if (k->status == NULL || k->status_now == NULL || read_status(k, k->status) != 0)
            return (struct sv_error){SV_STAGE_RECYCLE_CHECK, errno};
    }
    return (struct sv_error){0, 0};
}

/* In the reference: it can be read, and does nothing until its end, which comes with the keeper's. */
static _Noreturn void stand_still(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_NAME, "sv-reference", 0, 0, 0) != 0 || syscall(SYS_close_range, 0, ~0u, 0) != 0)
        _exit(126);
    for (;;)
        (void)kill(getpid(), SIGSTOP);
}

/* Forks the subject. Returns 1 in it, 0 in the keeper, where *error says what failed. */
static int begin(struct sv_template_state *state, struct keeper *k, struct sv_error *error)
{
    int report[2], status;
    sigset_t child;
    *error = (struct sv_error){SV_STAGE_FORK, 0};
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, NULL) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) != 0 ||
        (k->file = memfd_create("sv-recycled", MFD_CLOEXEC)) < 0 || ftruncate(k->file, sizeof *k->hot) != 0 ||
        (k->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
        error->err = errno;
        return 0;
    }
    k->reference = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (k->reference == 0)
        stand_still();
    if (k->reference < 0 || waitpid(k->reference, &status, WUNTRACED) != k->reference) {
        error->err = errno;
        return 0;
    }
    if (!WIFSTOPPED(status)) { /* until then it writes to its stack */
        error->err = ECHILD;
        return 0;
    }
    k->pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (k->pid == 0) {
        sv_become_recycled(state, k->file, report[1]);
        return 1;
    }
    error->err = errno;
    if (k->pid > 0) {
        close(report[1]);
        for (int i = 0; i < 3; i++)
            close(state->stdio[i]);
        *error = hold(state, k, report[0]);
        close(report[0]);
    }
    return 0;
}

/* ---- a row ---------------------------------------------------------------------------------------- */

/* The subject cannot read the clock of its CPU time: cells are timed by the wall clock, and what a busy
 * machine added is taken away in proportion. */
static void settle_times(struct sv_region *region, uint32_t cells, uint64_t cpu_us)
{
    uint64_t sum_us = 0;
    for (uint32_t i = 0; i < cells; i++)
        sum_us += region->records[i].cpu_us;
    for (uint32_t i = 0; sum_us > cpu_us && i < cells; i++)
        region->records[i].cpu_us = (uint32_t)(region->records[i].cpu_us * cpu_us / sum_us);
}

/* Did the row end as one does that has judged every cell? */
static int is_whole(const struct sv_region *region, uint32_t cells)
{
    if (region->stopped != 0 || region->cell < cells)
        return 0;
    for (uint32_t i = 0; i < cells; i++)
        if (region->records[i].verdict == SV_INFRA)
            return 0;
    return 1;
}

/* How the row ended. *code: what it exited with. */
static enum sv_handed_on verdict_on(const struct keeper *k, const struct sv_run *run,
                                    const struct sv_region *region, enum event event, int *code)
{
    long nr = -1;
    unsigned long argument = 0;
    if (event != EVENT_CALL)
        return event == EVENT_TIME ? SV_HANDED_TIME : SV_HANDED_ENDED;
    if (sv_registers_call(k->registers, &nr, &argument) != 0)
        return SV_HANDED_ENDED;
    if (nr != SYS_exit_group)
        return SV_HANDED_CALL;
    *code = (int)(argument & 0xff);
    /* A program that says it passed, and leaves otherwise: that is a matter for settle in template.c. */
    const int fails = run->kind == SV_KIND_PROGRAM && region->records[0].verdict != SV_PASS;
    return (*code == 0 || fails) && is_whole(region, run->cells) ? SV_HANDED_NOT : SV_HANDED_SHORT;
}

/* The kernel's own backstop, should we fall silent: seconds of CPU time, all rows together. */
static int arm(const struct keeper *k, uint64_t seconds)
{
    struct rlimit limit;
    if (prlimit(k->pid, RLIMIT_CPU, NULL, &limit) != 0)
        return -1;
    limit.rlim_cur = seconds < limit.rlim_max ? seconds : limit.rlim_max;
    return prlimit(k->pid, RLIMIT_CPU, &limit, NULL);
}

/* CPU time of the whole row. Not more than one cell may have: then no answer can be late. */
static uint64_t budget_us(const struct sv_run *run, int checked)
{
    uint64_t most_us = (ROW_US + (uint64_t)run->cells * CELL_US) * (checked ? CHECKED_TIMES : 1);
    most_us = most_us < MOST_US ? most_us : MOST_US;
    return most_us < run->limits.cpu_us ? most_us : run->limits.cpu_us;
}

static int is_text(const struct keeper *k, uint64_t at, const char *text)
{
    char there[16];
    const size_t len = strlen(text) + 1;
    return len <= sizeof there && sv_pages_read(k->pid, at, there, len) == 0 && memcmp(there, text, len) == 0;
}

/* After a syntax error the interpreter looks for the source under its name, to show the line. There is no
 * such file, as little as in a forked subject's folder; answered here, the row need not be handed on. And
 * who reads all of its standard input asks how long that is, which is executed.
 * Whether that was the call, and the row goes on. */
static int answer(const struct keeper *k, const struct sv_run *run)
{
    const char *source = run->kind == SV_KIND_PROGRAM ? "program.py" : "<solution>";
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, k->pid, NULL, &now) != 0)
        return 0;
    switch ((long)now.orig_rax) {
    case SYS_fstat:
        return now.rdi == 0;
    case SYS_newfstatat: /* the same in newer C libraries */
        return now.rdi == 0 && now.r10 == AT_EMPTY_PATH && is_text(k, now.rsi, "");
    case SYS_openat:
        if ((int)now.rdi != AT_FDCWD || (now.rdx & O_CREAT) != 0 ||
            !is_text(k, now.rsi, source))
            return 0;
        now.orig_rax = (unsigned long long)-1; /* it is not executed */
        now.rax = (unsigned long long)-ENOENT;
        return ptrace(PTRACE_SETREGS, k->pid, NULL, &now) == 0;
    default:
        return 0;
    }
}

/* Makes the stopped subject ready for a row. 0, or -1 with errno. In the checking mode: also when anything
 * is not as it was. */
static int make_ready(struct sv_template_state *state, struct keeper *k)
{
    unsigned long argument;
    long nr = -1;
    if (sv_registers_put_back(k->registers) != 0)
        return -1;
    if (state->recycle != SV_RECYCLE_CHECKED)
        return 0;
    if (sv_registers_differ(k->registers) != 0 || ptrace(PTRACE_CONT, k->pid, NULL, NULL) != 0)
        return -1;
    const enum event event = wait_for(k, state->control, UINT64_MAX, sv_now_ns() + REHEARSAL_NS);
    if (event != EVENT_CALL || sv_registers_call(k->registers, &nr, &argument) != 0 || nr != SV_PARKED) {
        errno = EUCLEAN;
        return -1;
    }
    return check(k) == 0 ? sv_registers_skip(k->registers) : -1;
}

/* From the registers' being set to the end of the row. */
static enum event go(struct sv_template_state *state, struct keeper *k, const struct sv_run *run,
                     uint64_t cpu_until_ns)
{
    const uint64_t until_ns = sv_now_ns() + MOST_WALL_NS;
    enum event event;
    do {
        if (ptrace(PTRACE_CONT, k->pid, NULL, NULL) != 0)
            return EVENT_ENDED;
        event = wait_for(k, state->control, cpu_until_ns, until_ns);
    } while (event == EVENT_CALL && answer(k, run));
    return event;
}

/* Lets the subject run a row, and puts it back. */
static void run_row(struct sv_template_state *state, struct keeper *k, const struct sv_command *command,
                    struct sv_done *done)
{
    const struct sv_run *run = &command->run;
    struct sv_region *region = state->region;
    const struct sv_limits *l = &run->limits;
    const int checked = state->recycle == SV_RECYCLE_CHECKED;
    const uint64_t began_ns = sv_now_ns(), cpu_us = budget_us(run, checked);
    done->dirty = 1; /* until it is put back */
    if (memcmp(&k->limits, l, sizeof *l) != 0) {
        if (sv_pages_change(k->pages, &state->limits, l, sizeof *l) != 0) {
            done->error = (struct sv_error){SV_STAGE_RECYCLE_PAGES, errno};
            return;
        }
        k->limits = *l;
    }
    sv_begin_region(region, run, run->start);
    const uint64_t cpu_ns = sv_cpu_ns(k->pid);
    if (arm(k, cpu_ns / 1000000000u + cpu_us / 1000000u + 2) != 0) {
        done->error = (struct sv_error){SV_STAGE_SUBJECT_RLIMIT, errno};
        return;
    }
    if (sv_fault_at(&run->fault, SV_STAGE_RECYCLE_PTRACE) != 0 || make_ready(state, k) != 0) {
        done->error = (struct sv_error){checked && run->fault.stage != SV_STAGE_RECYCLE_PTRACE
                                            ? SV_STAGE_RECYCLE_CHECK : SV_STAGE_RECYCLE_PTRACE, errno};
        return;
    }
    int code = 0;
    const enum event event = go(state, k, run, cpu_ns + cpu_us * 1000u);
    done->handed_on = (uint32_t)verdict_on(k, run, region, event, &code);
    done->wait_status = code << 8;
    const uint64_t after_ns = sv_cpu_ns(k->pid); /* exact: it is stopped; none: it is gone */
    done->cpu_us = after_ns != UINT64_MAX ? (after_ns - cpu_ns) / 1000u : 0;
    done->wall_us = (sv_now_ns() - began_ns) / 1000u;
    if (done->handed_on == SV_HANDED_NOT && done->cpu_us > cpu_us)
        done->handed_on = SV_HANDED_SHORT; /* it ended just before we looked */
    done->next = done->handed_on == SV_HANDED_NOT ? run->cells : run->start;
    if (done->handed_on > SV_HANDED_SHORT)
        return;
    if (done->handed_on == SV_HANDED_NOT)
        settle_times(region, run->cells, done->cpu_us);
    const long written = sv_fault_at(&run->fault, SV_STAGE_RECYCLE_PAGES) == 0 ? sv_pages_put_back(k->pages) : -1;
    done->max_rss_bytes = k->resident_bytes + (written > 0 ? (uint64_t)written * SV_PAGE : 0);
    if (written < 0)
        done->error = (struct sv_error){SV_STAGE_RECYCLE_PAGES, errno};
    else if (checked && make_ready(state, k) != 0)
        done->error = (struct sv_error){SV_STAGE_RECYCLE_CHECK, errno};
    else
        done->dirty = 0;
}

int sv_keeper_serve(struct sv_template_state *state)
{
    static struct keeper keeper;
    struct sv_ready ready = {.error = {0, 0}};
    if (begin(state, &keeper, &ready.error))
        return SV_ROLE_RECYCLED;
    if (sv_send(state->control, &ready, sizeof ready, NULL, 0) != 0)
        return -1;
    for (;;) {
        struct sv_command command;
        struct sv_done done = {.error = {0, 0}};
        const ssize_t n = sv_recv(state->control, &command, sizeof command, NULL, 0);
        if (n <= 0)
            return n == 0 ? SV_ROLE_END : -1;
        if (command.order != 0)
            continue; /* for a row that has ended */
        run_row(state, &keeper, &command, &done);
        done.serial = command.serial;
        if (sv_send(state->control, &done, sizeof done, NULL, 0) != 0)
            return -1;
    }
}

#else /* registers are a matter of the machine */

int sv_keeper_serve(struct sv_template_state *state)
{
    const struct sv_ready ready = {.error = {SV_STAGE_RECYCLE_PTRACE, ENOSYS}};
    return sv_send(state->control, &ready, sizeof ready, NULL, 0) == 0 ? SV_ROLE_END : -1;
}

#endif
