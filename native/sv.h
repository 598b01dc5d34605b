/* sv.h - everything that crosses a file of the native core, sectioned by file.
 *
 * Call path:  client.c (Python binding, client side)  ->  pool.c (worker threads, no Python)
 *             -> [unix socket] -> zygote.c (warm interpreter that forks templates)
 *             -> jail.c + filter.c (a template locks itself in)  ->  template.c (forks subjects)
 *             -> subject.c (what runs a row) and task.c (what plans and compares), under watch.c;
 *             or -> keeper.c (one subject for many rows: recycled.c, put back after each: registers.c,
 *             pages.c).
 *
 * Terms.  zygote: a warm interpreter outside the jail that never sees a job.  template: fork of
 * the zygote, jailed once, pid 1 of its own pid namespace, one per worker.  subject: fork of the
 * template that runs one row.  keeper: a template that keeps one subject and recycles it.  row: one payload (a solution and its tests, or a program).
 * cell: one verdict of a row.  region: memory shared by one worker and its template.
 *
 * The core never includes Python.h; the unit tests link it directly.
 */
#ifndef SV_H
#define SV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- verdicts and limits (mirrored in sv_sandbox/verdict.py) -------------------------------- */

enum sv_verdict {
    SV_INFRA = 0, /* zeroed memory reads as a hole */
    SV_PASS = 1,
    SV_WRONG = 2,
    SV_EXCEPTION = 3,
    SV_TIMEOUT = 4,
    SV_MEMORY = 5,
    SV_OUTPUT = 6,
    SV_FORBIDDEN = 7,
    SV_EARLY_EXIT = 8,
};

struct sv_limits {
    uint64_t cpu_us;       /* CPU time of a cell; primary */
    uint64_t wall_us;      /* idle time of a cell: see time_left in template.c */
    uint64_t memory_bytes; /* address space beyond the warm interpreter's */
    uint64_t output_bytes; /* stdout + stderr of a row */
    uint64_t file_bytes;   /* RLIMIT_FSIZE */
    uint32_t open_files;
    uint32_t threads;
    uint32_t processes; /* 0: the subject may not fork or exec */
    uint32_t int_digits; /* the interpreter's to keep: see jailed/bounds.py */
    uint64_t stack_bytes;
};

/* ---- region.c: the memory that carries one row -------------------------------------------------
 * Mapped shared by a worker thread, its template and (inherited) the running subject. The subject
 * is hostile: whoever reads the region after it ran checks every length against these capacities.
 */

#define SV_MAX_CELLS 4096u
#define SV_ARENA_BYTES (32u << 20)   /* details and encoded answers of one row; sparse */
#define SV_ANSWER_MAX (64u << 10)    /* a longer answer goes over the channel instead */
#define SV_PAYLOAD_BYTES (64u << 20) /* blobs of one row; the file is sparse */
#define SV_DETAIL_MAX 240u /* of what a caller sees; cut when it is copied out */
#define SV_PAGE 4096u
#define SV_INDEX_STEP 8u
#define SV_INDEXED 1000u /* so many fit on the first page, and reach beyond SV_MAX_CELLS */

enum sv_kind {
    SV_KIND_CELLS = 1,   /* inline: solution and tests in one subject */
    SV_KIND_PROGRAM = 2, /* one program as __main__ */
    SV_KIND_CALLS = 3,   /* split: the solution answers a list of encoded calls */
    SV_KIND_SERVE = 4,   /* split: the solution answers calls that come over a channel */
    SV_KIND_ASKED = 5,   /* split: as CALLS, also of a solution that is not plain */
    SV_KIND_VACUOUS = 6, /* split: test code runs with nothing behind it */
    SV_KIND_JUDGE = 9,   /* split: test code runs, its calls go over the channel */
    /* Tasks of the process that a judge's template keeps for them: no foreign code runs in them. */
    SV_KIND_PLAN = 7,    /* split: which tests are one call with literals? */
    SV_KIND_COMPARE = 8, /* split: answers against expected values */
};

/* What a record can hold besides a verdict; never leaves the native side. */
enum sv_mark {
    SV_ANSWERED = 1, /* CALLS: the detail is the answer */
    /* PLAN; a verdict in their place is the cell's own, whatever the solution. */
    SV_LITERAL = 16, /* calls with literals; the detail, of this and the next ones, is a struct sv_code */
    SV_CODE = 17,    /* needs the test code to run */
    SV_READS = 18,   /* as SV_LITERAL, but nothing is called: vacuous */
    SV_PROBE = 19,   /* as SV_CODE, but pointless where the name in its request is missing */
    SV_LOST = 32,    /* JUDGE: the subject went away; its own record says why */
    SV_LONG = 33,    /* CALLS: the answer was too long for a record */
    SV_UNSPLIT = 34, /* JUDGE: an object that cannot cross; the cell is judged inline */
    SV_STRANGE = 35, /* CALLS: the solution is not plain, and was not loaded */
    SV_ALONE = 36,   /* CALLS: nor was it, for each cell needs a process of its own */
};

struct sv_code { /* PLAN: and after it the request (none of SV_CODE); then, if there is one, an answer that
                  * is known to pass (SV_LITERAL, SV_READS), or the test made ready to run */
    uint32_t request_len;
};

/* How a cell was judged (mirrored in sv_sandbox/verdict.py, Trust). */
enum sv_trust {
    SV_TRUST_NONE = 0,
    SV_TRUST_INLINE = 1,  /* one process; with SV_INFRA: it needs one, and was left out */
    SV_TRUST_VOUCHED = 2, /* an object of the solution said so */
    SV_TRUST_PROVEN = 3,  /* plain data, compared by our code */
};

#define SV_LEFT 0x20    /* beside a judge's trust: the test has left by itself, with success */
#define SV_CERTAIN 0x40 /* beside a judge's trust: it fails, although it passes in one process */

struct sv_record {
    uint8_t verdict;
    uint8_t trust; /* of a judge: enum sv_trust; SV_CERTAIN, SV_LEFT */
    uint8_t reserved[2];
    uint32_t cpu_us;
    uint32_t detail_at;
    uint32_t detail_len;
};

struct sv_region {
    /* written by the worker before the row (kind and cells by the template as well, before each
     * subject: only what the worker sends counts) */
    uint32_t kind;
    uint32_t cells;
    uint32_t blobs;
    uint32_t payload_len;
    /* written by the template before each subject */
    uint32_t start;
    /* written by the subject */
    uint32_t loading; /* 1 until the solution itself has been loaded */
    uint32_t cell;    /* the cell being run */
    uint32_t stopped; /* a judge gives up at `cell`, which has no verdict yet */
    uint32_t waiting; /* a judge waits for its subject, whose own guard is the one that counts */
    uint32_t arena_len;
    uint64_t cell_cpu_ns;  /* the subject's CPU clock when the cell began */
    uint32_t blob_at[SV_INDEXED]; /* where each SV_INDEX_STEPth blob begins in `payload` */
    /* each part on pages of its own, so that what a row touched can be counted in pages */
    _Alignas(SV_PAGE) struct sv_record records[SV_MAX_CELLS];
    _Alignas(SV_PAGE) char arena[SV_ARENA_BYTES];
    _Alignas(SV_PAGE) char payload[SV_PAYLOAD_BYTES]; /* per blob: uint32 length, bytes */
};

uint64_t sv_now_ns(void);
uint64_t sv_cpu_ns(pid_t pid); /* 0: the caller's own process; UINT64_MAX when it is gone */
uint64_t sv_thread_cpu_ns(void);
int sv_region_put(struct sv_region *region, const void *bytes, size_t len);
int sv_region_get(const struct sv_region *region, uint32_t index, const char **bytes,
                  uint32_t *len);
/* Blank for the next row, which must find nothing of this one: wipes the pages that rows use
 * honestly (up to the high-water marks in `used`), and gives every page back when a subject left
 * something elsewhere. 0, or -1 with errno. */
struct sv_region_used {
    uint32_t records, arena, payload; /* bytes, in whole pages */
};
int sv_region_reset(struct sv_region *region, int memfd, uint32_t cells, uint32_t payload_len,
                    struct sv_region_used *used);
/* Returns 1, or 0 where the detail (or the cell) had no room: the verdict is written all the same. */
int sv_record_set(struct sv_region *region, uint32_t cell, enum sv_verdict verdict,
                  uint64_t cpu_us, const char *detail, size_t len);
const char *sv_record_detail(const struct sv_region *region, uint32_t cell, uint32_t max,
                             uint32_t *len);

/* ---- wire.c: fixed-size messages with descriptors over SOCK_SEQPACKET ----------------------- */

#define SV_WIRE_FDS 5

int sv_send(int sock, const void *msg, size_t len, const int *fds, int nfds);
/* Returns the length, 0 at end of file, -1 with errno. Received descriptors are close-on-exec;
 * missing ones are -1. */
ssize_t sv_recv(int sock, void *msg, size_t len, int *fds, int nfds);

/* ---- faults: every step of a child has a stage, so that a failure has an address ------------ */

enum sv_stage {
    SV_STAGE_NONE = 0,
    SV_STAGE_CLONE,
    SV_STAGE_IDMAP,
    SV_STAGE_REGION,
    SV_STAGE_MOUNT,
    SV_STAGE_PIVOT,
    SV_STAGE_IDENTITY,
    SV_STAGE_CAPABILITIES,
    SV_STAGE_RLIMIT,
    SV_STAGE_LANDLOCK,
    SV_STAGE_SECCOMP,
    SV_STAGE_READY,
    SV_STAGE_FORK,
    SV_STAGE_STDIO,
    SV_STAGE_SUBJECT_RLIMIT,
    SV_STAGE_SUBJECT_SECCOMP,
    SV_STAGE_PAYLOAD,
    SV_STAGE_REPLY,
    SV_STAGE_RECYCLE_JAIL,      /* a recycled subject needs every namespace and Landlock */
    SV_STAGE_RECYCLE_PTRACE,    /* its registers */
    SV_STAGE_RECYCLE_REHEARSAL, /* what it runs before its memory is copied */
    SV_STAGE_RECYCLE_PAGES,     /* which pages were written, and putting them back */
    SV_STAGE_RECYCLE_CHECK,     /* something was left of a row: in the checking mode only */
    SV_STAGE_COUNT,
};
const char *sv_stage_name(enum sv_stage stage);

/* A fault to inject (tests): at `stage`, fail with `err`; err < 0 means die by signal -err. */
struct sv_fault {
    int32_t stage;
    int32_t err;
};
/* 0, or -1 with errno set when `fault` names this stage. */
int sv_fault_at(const struct sv_fault *fault, enum sv_stage stage);

/* ---- jail.c: what a template gives up, paid once and inherited ------------------------------ */

enum sv_layer { /* bits of sv_ready.layers */
    SV_LAYER_SECCOMP = 1 << 0,
    SV_LAYER_RLIMIT = 1 << 1,
    SV_LAYER_NO_NEW_PRIVS = 1 << 2,
    SV_LAYER_CAPABILITIES = 1 << 3,
    SV_LAYER_LANDLOCK = 1 << 4,
    SV_LAYER_USERNS = 1 << 5,
    SV_LAYER_PIDNS = 1 << 6,
    SV_LAYER_MOUNTNS = 1 << 7,
    SV_LAYER_NETNS = 1 << 8,
    SV_LAYER_IPCNS = 1 << 9,
    SV_LAYER_UTSNS = 1 << 10,
    SV_LAYER_UID = 1 << 11, /* another uid than the caller's */
};

#define SV_MAX_PATHS 64

struct sv_jail {
    char *read_only[SV_MAX_PATHS]; /* absolute paths; missing ones are skipped */
    uint32_t read_only_count;
    char *scratch;    /* host folder for scratch where there is no private tmpfs */
    uint32_t clone_flags; /* namespaces to ask for; 0: none */
    int uid_outer;    /* the uid a template gets outside; -1: the caller's own */
    int uid_counted;  /* the real uid where the effective one stays root's; 0: no such case */
    int host_in_reach; /* whether any uid can read `read_only` on the host's own root */
    int landlock;     /* whether to use it where the kernel has it */
    int kill_unknown; /* seccomp policy for calls that are not allowed: kill, else EPERM */
    uint64_t scratch_bytes;
    int keeper; /* of the next template: it may look into its subject, and into /proc */
};

struct sv_error { /* the address of a failure */
    int32_t stage;
    int32_t err;
};

/* Locks the calling process in. Returns the layers now active, or -1 with *error set.
 * `landlock_errno` gets why Landlock is off (0: it is on). */
int sv_jail_enter(const struct sv_jail *jail, int in_namespaces, const struct sv_fault *fault,
                  struct sv_error *error, int *landlock_errno);
#define SV_UID_INNER 1000

/* ---- filter.c: seccomp ---------------------------------------------------------------------- */

/* The allow-list, for a keeper with what it needs to see to its subject; 0 or -1 with errno. */
int sv_filter_install(int kill_unknown, int private_root, int keeper);
int sv_filter_install_recycled(void); /* on top: a few harmless calls, every other one is traced */
int sv_filter_install_subject(void); /* on top: no fork, exec or SIGKILL */
int sv_filter_available(void);       /* 0, or the errno of trying */

/* ---- zygote.c ------------------------------------------------------------------------------- */

enum sv_recycle {
    SV_RECYCLE_OFF = 0,
    SV_RECYCLE_ON = 1,
    SV_RECYCLE_CHECKED = 2, /* tests: from the first row on, and all is compared after each */
};
struct sv_spawn { /* worker -> zygote; descriptors: control socket, region memfd; a keeper's: its subject's stdin,
                   * stdout, stderr as well */
    struct sv_fault fault;
    int32_t uid_offset; /* added to jail.uid_outer */
    uint32_t recycle;   /* enum sv_recycle: a keeper, which is ready when its subject is */
};
struct sv_spawned { /* zygote -> worker; descriptor: pidfd of the template, which then waits for one byte */
    struct sv_error error;
    int32_t pid;
    int32_t reserved;
};
struct sv_ready { /* template -> worker, once, when it is locked in */
    struct sv_error error;
    uint32_t layers;
    int32_t landlock_errno;
    int32_t userns_errno;
    int32_t reserved;
};

struct sv_template_state { /* what a new template knows when sv_zygote_serve returns in it */
    int control;
    int in_pid_namespace;
    int own_uid;
    int scratch_fd;
    uint64_t base_vm_bytes;
    uint64_t tasks_outside; /* on the whole machine; 0: unknown */
    pid_t last_pid;       /* of the last subject */
    uint64_t ticked_ns;   /* when the worker last heard from us */
    struct {              /* the process that plans and compares: see task.c */
        pid_t pid;        /* 0: none */
        int pidfd, sock;
        uint32_t number;  /* of how many there were */
        int inside, began; /* in that process itself */
    } task;
    enum sv_recycle recycle; /* a keeper */
    struct sv_fault fault;   /* to inject while it begins */
    int stdio[3];            /* its subject's */
    int recycled;            /* in its subject: no clock of its CPU time, no question to the kernel */
    struct sv_limits limits; /* of the row, in a fork that runs one */
    struct sv_region *region;
    struct sv_jail *jail;
};

/* Serves spawn requests until end of file (returns 0: exit), or returns 1 in a new template that
 * is locked in and has said so; -1 with errno when the socket broke. */
int sv_zygote_serve(int sock, struct sv_jail *jail, struct sv_template_state *state);

/* Removes a folder and everything in it that can be removed, as deep as it may be. */
void sv_remove_tree(const char *path);

/* ---- template.c ----------------------------------------------------------------------------- */

struct sv_run { /* worker -> template; descriptors: stdin, stdout, stderr, the channel's two */
    uint32_t kind, cells; /* as in the region, where a subject may have changed them since */
    uint32_t start; /* the first cell to run */
    uint32_t fresh; /* first command of its row here: nothing of another row may show */
    uint32_t task;  /* COMPARE: the process that holds the plan (sv_done.task); 0: any */
    uint32_t reserved;
    struct sv_limits limits;
    struct sv_fault fault;
};
enum sv_order { SV_ORDER_OUTPUT = 1, SV_ORDER_ABORT = 2 }; /* worker -> template while it runs */
struct sv_command {
    uint32_t order; /* 0: run */
    uint32_t serial;
    struct sv_run run;
};
struct sv_done { /* template -> worker when the row has ended and nothing of it is left */
    struct sv_error error;
    int32_t wait_status; /* of the last subject */
    uint32_t dirty;      /* the scratch was touched: this template must be replaced */
    uint32_t serial;
    uint32_t outside; /* the last subject was killed by somebody else: the machine's doing */
    uint32_t next; /* the first cell without a verdict: all of them, but after an output flood */
    uint32_t task; /* the process that holds what was planned; 0: none */
    uint32_t handed_on; /* enum sv_handed_on, of a keeper */
    uint64_t cpu_us;
    uint64_t wall_us;
    uint64_t max_rss_bytes;
};

/* Why a keeper leaves a row to a forked subject: nothing of it counts. But for the first two its subject
 * is thrown away with it (sv_done.dirty). */
enum sv_handed_on {
    SV_HANDED_NOT = 0,
    SV_HANDED_CALL,  /* a system call that is not on the short list; it was not executed */
    SV_HANDED_SHORT, /* it left without a verdict for each cell, or left something in the interpreter */
    SV_HANDED_TIME,  /* longer than a short row */
    SV_HANDED_ENDED, /* a signal, or its end */
};

#define SV_CHANNEL_IN 3 /* where a subject finds its channel: two pipes, which cost less than a socket */
#define SV_CHANNEL_OUT 4

/* Serves rows until end of file (SV_ROLE_END); returns in forks only: SV_ROLE_SUBJECT in a new
 * subject, SV_ROLE_TASK in the process that does tasks, where the next call tells the end of this one
 * and waits for more. That process ends with SV_TASK_NO_MEMORY when it has too little. */
#define SV_TASK_NO_MEMORY 42
enum sv_role { SV_ROLE_END = 0, SV_ROLE_SUBJECT = 1, SV_ROLE_TASK = 2, SV_ROLE_RECYCLED = 3 };
int sv_template_serve(struct sv_template_state *state);

/* ---- keeper.c, recycled.c ------------------------------------------------------------------- */

#define SV_STREAM_BYTES (1u << 20) /* a recycled subject reads, and prints, less than this */

/* In a subject that is to be recycled (SV_ROLE_RECYCLED), when it has rehearsed: locks it in and waits.
 * Returns once per row, each time to the same memory and registers; a row ends with exit_group(0). */
void sv_park(void);

/* ---- pool.c: worker threads in the client --------------------------------------------------- */

struct sv_pool;
struct sv_job;

enum sv_judge {
    SV_JUDGE_INLINE = 1,
    SV_JUDGE_SPLIT = 2,    /* what needs one process is left out */
    SV_JUDGE_TOGETHER = 3, /* one process, and tests that pass without a solution are found */
};

struct sv_job_spec {
    enum sv_kind kind; /* SV_KIND_CELLS or SV_KIND_PROGRAM */
    enum sv_judge judge;
    uint32_t rows, cells;
    uint32_t workers; /* that judge its rows at once, at most; 0: as many as there are */
    const char *const *row_blobs; /* one per row: the solution, or the program */
    const size_t *row_lens;
    const uint8_t *row_zygotes; /* which zygote each row's template comes from */
    const char *const *cell_blobs; /* shared by all rows: tests, or a program's files */
    const size_t *cell_lens;
    uint32_t cell_blob_count;
    struct sv_limits limits;
    const char *stdin_bytes; /* of a program */
    size_t stdin_len;
    uint8_t *verdict;       /* rows x cells, zeroed by the caller, as are the next three */
    uint32_t *cpu_us;       /* rows x cells */
    uint8_t *trust;         /* rows x cells: enum sv_trust */
    uint8_t *vacuous;       /* cells: 1 where a test passes without a solution */
    struct sv_fault fault;  /* injected into each row */
};

#define SV_MAX_ZYGOTES 2
#define SV_ZYGOTE_SOCK 3 /* where a zygote finds its socket */
struct sv_zygote_spec { /* how it is started; the pool copies it */
    const char *const *argv; /* the first is its path */
    const char *const *env;
    const char *group; /* the file that puts a process into its cgroup; "": none */
};
struct sv_pool *sv_pool_new(const struct sv_zygote_spec *specs, int zygotes, uint32_t workers,
                            struct sv_fault spawn_fault, uint32_t spawn_fault_count,
                            enum sv_recycle recycle);
void sv_pool_close(struct sv_pool *pool); /* stops, kills, joins, frees */
int sv_pool_is_own(const struct sv_pool *pool); /* 0 in a fork of the process that made it */
/* The pool copies the blobs; the arrays must outlive the job. NULL with errno. */
struct sv_job *sv_pool_submit(struct sv_pool *pool, const struct sv_job_spec *spec);
#define SV_KEEPER(zygote) (SV_MAX_ZYGOTES + (zygote)) /* the place of its keeper, behind the zygotes' own */
#define SV_PLACES (2 * SV_MAX_ZYGOTES)
/* Spawns one template of the zygote (or a keeper) and reports it (doctor). 0, or -1 with ready->error set. */
int sv_pool_probe(struct sv_pool *pool, int place, struct sv_ready *ready);
pid_t sv_pool_zygote(struct sv_pool *pool, int zygote); /* 0: not started yet, or being replaced */
struct sv_statistics {
    uint64_t rows, templates, recycled, retried, infra_rows;
    uint64_t recycled_rows; /* judged in a recycled subject */
    uint64_t handed_on;     /* begun in one, and judged in a forked one */
    uint64_t keepers;
    uint64_t plans; /* made of a job's tests, by each worker that needs one */
    uint64_t both_ways; /* cells that ran apart, and in one process as well */
};
void sv_pool_statistics(struct sv_pool *pool, struct sv_statistics *out);

/* ---- job.c ---------------------------------------------------------------------------------- */

/* One descriptor for all jobs that somebody waits for with others: readable when some have ended. */
struct sv_bell;
struct sv_bell *sv_bell_new(void); /* NULL with errno */
int sv_bell_fd(const struct sv_bell *bell);
/* Tokens of jobs that have ended since; how many. Fewer than `max`: that is all for now. */
size_t sv_bell_take(struct sv_bell *bell, uint64_t *tokens, size_t max);
void sv_bell_release(struct sv_bell *bell);
/* Rings with this token when the job ends: 1; 0: it has ended, and nothing will ring; -1 with errno. */
int sv_job_ring(struct sv_job *job, struct sv_bell *bell, uint64_t token);
int sv_job_wait(struct sv_job *job, uint64_t timeout_ns); /* 1: it has ended */
uint32_t sv_job_rows_finished(struct sv_job *job); /* results written; all of them when it ends */
uint32_t sv_job_rows_done(struct sv_job *job); /* and not touched any more: may be freed */
void sv_job_cancel(struct sv_job *job); /* rows not begun stay holes; the job still completes */
void sv_job_drop(struct sv_job *job); /* pool.c: these rows at once, whoever is busy. Its pool is open. */
const char *sv_job_detail(struct sv_job *job, uint32_t row, uint32_t cell, uint32_t *len);
const struct sv_done *sv_job_done(struct sv_job *job); /* of a program */
const char *sv_job_output(struct sv_job *job, int which, size_t *len); /* 0 stdout, 1 stderr */
void sv_job_free(struct sv_job *job); /* of a job that is done */

#endif
