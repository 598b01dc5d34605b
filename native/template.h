/* template.h - what a template's files share: template.c (rows), subject.c (the fork that runs one),
 * task.c (the fork that plans and compares), watch.c (limits). Included after sv.h.
 */
#ifndef SV_TEMPLATE_H
#define SV_TEMPLATE_H

#include "sv.h"

#include <sys/resource.h>

/* ---- template.c --------------------------------------------------------------------------------- */

/* What a subject finds in the region beside the row itself. */
void sv_begin_region(struct sv_region *region, const struct sv_run *run, uint32_t start);

/* ---- subject.c ---------------------------------------------------------------------------------- */

/* How far past its limit a cell may run, so that "just too slow" is told from "endless". */
uint64_t sv_grace_us(uint64_t limit_us);
/* A backstop for a whole row, in seconds; the template is the one that counts cells. */
uint64_t sv_row_cpu_s(uint32_t cells, const struct sv_limits *l);
/* In the fork: sets a limit, as far as what is in force allows. 0, or -1 with errno. */
int sv_limit(int resource, uint64_t value, uint64_t beyond);
/* In the fork: returns, or ends the process after telling the template why through `report`. */
void sv_become_subject(struct sv_template_state *state, const struct sv_run *run,
                       const int fds[SV_WIRE_FDS], int report, uint64_t cpu_s, int stale);

/* ---- watch.c ------------------------------------------------------------------------------------ */

enum cause { /* why a fork no longer runs its command */
    CAUSE_EXIT,    /* it ended, or was killed by somebody else */
    CAUSE_TIMEOUT, /* a cell took more than its CPU time */
    CAUSE_IDLE,    /* or did nothing for too long */
    CAUSE_WAITED,  /* or waited too long for the other end of its channel */
    CAUSE_OUTPUT,
    CAUSE_ABORT,
    CAUSE_ANSWER, /* a task is done; the fork lives */
};

struct watch { /* of one fork, while it runs one command */
    /* given: */
    pid_t pid;
    int pidfd;
    int answers; /* where a task says that it is done; -1: a subject, which ends instead */
    const struct sv_limits *limits; /* of each cell */
    /* found: */
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

/* Returns when the fork is gone, or (CAUSE_ANSWER) has done what it was told. */
void sv_watch(struct sv_template_state *state, const struct sv_command *command, struct watch *watch);
/* Whether a row leaves nobody but its subject: then the task beside it may live on. */
int sv_row_is_one_process(const struct sv_template_state *state, const struct sv_limits *limits);

/* ---- task.c ------------------------------------------------------------------------------------- */

/* Plans or compares. Returns 1 in a new task process, 0 in the template, -1 when the worker has gone. */
int sv_run_task(struct sv_template_state *state, const struct sv_command *command, struct sv_done *done);
/* In the task process: says that it is done with what it did, and waits for more. */
int sv_task_next(struct sv_template_state *state);
/* In the template: the task process is gone, and has been waited for. */
void sv_task_forget(struct sv_template_state *state);

/* ---- keeper.c ----------------------------------------------------------------------------------- */

/* sv_template_serve of a keeper: SV_ROLE_RECYCLED in its subject, else at end of file. */
int sv_keeper_serve(struct sv_template_state *state);

/* ---- recycled.c --------------------------------------------------------------------------------- */

#define SV_PARKED SYS_pause /* what a subject calls when it has rehearsed; its last filter stops it there */
/* Pages that it copies before each row, in a file that it can only read. */
#define SV_HOT_PAGES 2032u
struct sv_hot_run {
    uint64_t to, from; /* where they lie in it */
    uint64_t words;    /* 0: the last of the list; it stops again, if there is a `to` */
};
struct sv_hot {
    struct sv_hot_run runs[SV_HOT_PAGES + 1];
    uint64_t last_word; /* `to` of the last one */
    _Alignas(SV_PAGE) char pages[SV_HOT_PAGES][SV_PAGE];
};
/* In the fork: hands out what its keeper needs, and goes on once that holds it (sv_park: sv.h). `file` has
 * a struct sv_hot. */
void sv_become_recycled(struct sv_template_state *state, int file, int report);

/* ---- registers.c -------------------------------------------------------------------------------- */

struct sv_registers;
/* Of a stopped process. *nr: the call that it stands in front of. NULL with errno. */
struct sv_registers *sv_registers_take(pid_t pid, long *nr);
int sv_registers_put_back(const struct sv_registers *registers); /* 0, or -1 with errno */
/* The call that the process stands in front of, and its first argument. -1 where it cannot be put back:
 * two of its flags are its own to change, and ptrace leaves them as they are. */
int sv_registers_call(const struct sv_registers *registers, long *nr, unsigned long *argument);
int sv_registers_differ(const struct sv_registers *registers); /* 0: they are as they were put back */
/* Goes on behind the call that the process stands in front of, when it goes on. 0, or -1 with errno. */
int sv_registers_skip(const struct sv_registers *registers);
/* The memory from which the kernel reads where a stopped process is to jump when it was interrupted; 0:
 * there is none. */
uint64_t sv_registers_rseq(pid_t pid);

/* ---- pages.c ------------------------------------------------------------------------------------ */

struct sv_pages;
/* A file of /proc/WHO, as a string. 0, or -1 with errno. */
int sv_read_proc(const char *who, const char *name, char *text, size_t size);
/* Copies every writable page of a stopped process, and asks the kernel to note what is written from
 * now on. What is the same in `reference`, a process that stands still, is not copied before it is
 * needed. `region` is the one mapping that is not its own. NULL with errno. */
struct sv_pages *sv_pages_take(pid_t pid, int watch, struct sv_hot *list, pid_t reference, const void *region,
                               size_t region_len);
/* Of a stopped process: puts back what was written since, but for what it is to copy itself (`list`). How
 * many pages, those among them, or -1 with errno. */
long sv_pages_put_back(struct sv_pages *pages);
/* Reads a process's memory. 0, or -1 with errno. */
int sv_pages_read(pid_t pid, uint64_t from, void *to, size_t len);
/* Changes what is put back, and the process. 0, or -1 with errno. */
int sv_pages_change(struct sv_pages *pages, const void *at, const void *bytes, size_t len);
/* Compares all of it: how many pages differ, or -1 with errno. */
long sv_pages_differ(struct sv_pages *pages);

#endif
