/* worker.h - what the client's files share: pool.c (queue and threads) -> row.c (one row) -> split.c and
 * plan.c (under the split judge) -> command.c (one command in one template), spawn.c (templates) -> zygotes.c,
 * memory.c (regions), job.c (results, and who waits for them). Included after sv.h.
 */
#ifndef SV_WORKER_H
#define SV_WORKER_H

#include "sv.h"

#include <pthread.h>
#include <stdatomic.h>

#define SV_BROKEN_AFTER 6 /* consecutive failed spawns: the machine, not bad luck */

struct template {
    int control; /* -1: none */
    int pidfd;
    uint32_t serial;   /* of the last command */
    uint32_t lifetime; /* counts templates in this place */
    uint32_t life;     /* of its zygote: which one it was */
};

struct output {
    char *bytes;
    size_t len, cap;
};

struct sv_job {
    struct sv_pool *pool;
    struct sv_job *next;
    enum sv_kind kind;
    enum sv_judge judge;
    uint64_t id;
    uint32_t rows, cells, cell_blob_count;
    char *blob_bytes;
    const char **row_blobs, **cell_blobs;
    size_t *row_lens, *cell_lens;
    uint8_t *row_zygotes;
    uint8_t judge_zygote; /* the judge knows NumPy when any row does */
    struct sv_limits limits;
    struct sv_fault fault;
    const char *stdin_bytes; /* of a program */
    size_t stdin_len;
    uint8_t *verdict;
    uint32_t *cpu_us;
    uint8_t *trust;
    uint8_t *vacuous;
    atomic_int vacuous_known; /* 0: nobody asked yet */
    uint32_t next_row, workers;
    atomic_uint rows_finished; /* results written */
    atomic_uint rows_done;     /* and not touched any more */
    atomic_int cancelled;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended;
    int over;           /* the last row is finished */
    struct ring *rings; /* bells to ring then */
    /* details: per cell an offset into `details` (0: none), where a uint16 length precedes the text */
    uint32_t *detail_at;
    struct output details;
    struct sv_done done; /* of a program */
    struct output out[2];
};

/* Subjects and judges live in different templates and see different regions. */
enum side { SIDE_SUBJECT = 0, SIDE_JUDGE = 1, SIDES = 2 };

struct memory { /* a region and the file behind it */
    int memfd;
    struct sv_region *region;
    struct sv_region_used used;
    uint32_t kind, cells, payload_len; /* our own: the region's fields are the subject's to write */
};

struct plan { /* split: what a judge made of tests; valid in the template that made it, for every job
               * with the same tests and limits */
    uint64_t job_id;
    struct output source; /* the tests themselves, each behind its length */
    struct sv_limits limits;
    uint8_t *reads; /* per cell: it only reads what the solution is, and so passes with nothing behind it */
    struct template *judge;
    uint32_t judge_serial;
    uint32_t literals, codes;
    uint32_t *literal, *code; /* cells of each kind */
    struct output calls;      /* encoded calls, one after another */
    size_t *call_at;          /* literals + 1 offsets into `calls` */
    uint8_t *probe;           /* per literal: only asks whether a name exists */
    struct output passing;    /* answers that are known to pass, one after another */
    size_t *passing_at;       /* literals + 1 offsets into `passing`; an empty one is none */
    struct output tests;      /* tests made ready to run, one after another */
    size_t *test_at;          /* cells + 1 offsets into `tests`; an empty one runs as it came */
    uint8_t *failed;          /* per cell: the verdict of a test that could not be planned, or 0 */
    uint32_t task;            /* the process that holds the expected values (sv_done.task) */
};

struct recycler {     /* a keeper of one zygote, and what it has been worth */
    int streams[3];   /* stdin, stdout, stderr of its subject: files of memory */
    uint32_t seen;    /* rows that might be recycled, so far */
    uint32_t rows;    /* of this keeper */
    int credit;       /* rows that it saved, more or less */
    uint32_t failures; /* to start one, one after another */
    uint32_t resting; /* rows that are not tried, because it saved none */
};

struct worker {
    struct sv_pool *pool;
    pthread_t thread;
    uint32_t index;
    struct memory memory[SIDES];
    pthread_mutex_t lock; /* guards pidfds against sv_pool_close */
    struct template templates[SIDES][SV_PLACES];
    struct plan plan;
    struct recycler recycler[SV_MAX_ZYGOTES];
    int fresh[SIDES]; /* no command of this row has been sent to this side yet */
};

struct zygote {
    pthread_mutex_t lock; /* one request at a time; taken before the pool's */
    char **argv, **env, *group;
    int sock, pidfd; /* -1: none. These and `pid` change with the pool's lock held as well. */
    pid_t pid;
    uint32_t life;        /* counts zygotes in this place */
    int answers, came_up; /* this one has answered; one has */
};

struct sv_pool {
    pthread_mutex_t lock; /* guards the queue and statistics */
    pthread_cond_t work;
    struct sv_job *first, *last; /* `last` only while there is a first */
    atomic_int stop;
    struct zygote zygote[SV_MAX_ZYGOTES];
    int zygotes;
    struct sv_statistics statistics;
    uint64_t next_job_id;
    enum sv_recycle recycle;
    struct sv_fault spawn_fault;
    atomic_uint spawn_faults_left;
    atomic_uint failed_spawns;
    uint32_t workers;
    struct worker *worker;
    pid_t owner; /* a fork of the client has our memory and none of our threads */
};

/* ---- pool.c ----------------------------------------------------------------------------------- */

void sv_count(struct sv_pool *pool, uint64_t *counter);

/* ---- job.c ------------------------------------------------------------------------------------ */

int sv_append(struct output *o, const void *bytes, size_t n); /* 0, or -1: out of memory */
/* Copies the specification. NULL with errno. */
struct sv_job *sv_job_new(struct sv_pool *pool, const struct sv_job_spec *spec);
void sv_finish_row(struct sv_job *job);
int sv_unwanted(struct sv_job *job); /* cancelled, or its pool is closing */
/* Writes one cell of the job's arrays; verdict codes are checked, late answers made TIMEOUT. */
void sv_settle_cell(struct sv_job *job, uint32_t row, uint32_t cell, uint8_t verdict,
                    uint64_t cpu_us, enum sv_trust trust, const char *detail, uint32_t len,
                    uint32_t *last_detail);
/* Copies a settled cell's detail while other rows are written; its length. */
uint32_t sv_copy_detail(struct sv_job *job, uint32_t row, uint32_t cell, char *to, uint32_t room);
/* A cell whose test needs one process with the solution: a hole that is not tried again. */
void sv_leave_out(struct sv_job *job, uint32_t row, uint32_t cell, const char *why, uint32_t len);
/* Gives the row's holes the address of the failure as their detail. */
void sv_explain_holes(struct sv_job *job, uint32_t row, struct sv_error error);

/* ---- memory.c --------------------------------------------------------------------------------- */

void sv_close_fd(int *fd);
int sv_memory_create(struct memory *memory);
void sv_memory_destroy(struct memory *memory);
/* Copies blobs into the side's region, which sv_clear has emptied. 0, or -1 with errno. */
void sv_prepare(struct worker *w, enum side side, enum sv_kind kind, uint32_t cells);
int sv_put(struct worker *w, enum side side, const void *bytes, size_t len);
int sv_clear(struct worker *w, enum side side);

/* ---- zygotes.c -------------------------------------------------------------------------------- */

/* 0, or -1 with errno; sv_zygote_destroy either way. Starts none. */
int sv_zygote_create(struct zygote *z, const struct sv_zygote_spec *spec);
/* Tells it that this is the end. With the pool's lock held, when it has stopped. */
void sv_zygote_hang_up(struct zygote *z);
/* Waits until it is gone. Nobody asks any more. */
void sv_zygote_destroy(struct sv_pool *pool, struct zygote *z);
/* Starts one first where there is none. 0, or -1 with errno; *life says which it was, or would have been. */
int sv_zygote_ask(struct sv_pool *pool, struct zygote *z, const struct sv_spawn *request, const int *fds,
                  int nfds, struct sv_spawned *spawned, int *pidfd, uint32_t *life);
/* Whether that one is gone. 0 also where none has ever come up: that is no accident. */
int sv_zygote_lost(struct zygote *z, uint32_t life);

/* ---- spawn.c ---------------------------------------------------------------------------------- */

/* One message, within some seconds. 0, or -1 with errno. */
int sv_await(int sock, void *msg, size_t len, int *fds, int nfds);

struct sv_error sv_spawn(struct worker *w, enum side side, int place, struct sv_ready *ready);
void sv_retire(struct worker *w, struct template *t);
/* Those that somebody has killed; thorough: and those that are about to go, because their zygote has. */
void sv_retire_dead(struct worker *w, int thorough);

/* ---- command.c -------------------------------------------------------------------------------- */

struct attempt {
    struct sv_error error;
    struct sv_done done;
};

/* One command running in one template: started, pumped by a poll loop, finished. */
struct running {
    struct template *template;
    struct sv_job *job;
    int out[2], err[2], in, fds[SV_WIRE_FDS];
    const struct sv_region *region;
    uint64_t seen, alive_ns;
    uint32_t serial;
    uint32_t cells; /* of the region */
    uint32_t cell; /* whose output is being counted, by the word of a process that may lie */
    uint64_t before; /* bytes still in its pipe that earlier cells wrote */
    int sent; /* its template has heard of it */
    int ordered, over;
    int flooded; /* it wrote more than it may, though it may have ended before it was stopped */
    struct attempt result;
};
/* channel: a descriptor to read and one to write, which stay the caller's; NULL: none. */
void sv_start(struct worker *w, enum side side, struct sv_job *job, int place, uint32_t start,
              const int *channel, struct running *r);
/* Waits until all of `runs` are over. */
void sv_wait(struct worker *w, struct running *const *runs, int n);
/* A program's standard input, into an empty file. 0, or -1 with errno. */
int sv_write_input(int fd, const struct sv_job *job);
/* Gives the last cell of a flooded run, in its region's records, the verdict OUTPUT. */
void sv_note_flood(struct worker *w, enum side side, const struct running *r);

/* ---- recycler.c ------------------------------------------------------------------------------- */

/* Whether this program, or the next planned calls of this row, are tried in a recycled subject: there is
 * one. The side's region must be blank, and is afterwards; -1 with errno: it is not. */
int sv_recycler_ready(struct worker *w, const struct sv_job *job, uint32_t row);
/* Runs what lies in the region there: all of it, or nothing (*whole is 0, and the region blank). A
 * program's output is in its job. */
struct sv_error sv_recycler_run(struct worker *w, struct sv_job *job, uint32_t row, struct sv_done *done,
                               int *whole);
/* New streams for a keeper to be. 0, or -1 with errno. */
int sv_streams_create(struct recycler *keeper);
void sv_streams_close(struct recycler *keeper);

/* ---- row.c ------------------------------------------------------------------------------------ */

/* Judges a row until it has no holes, or attempts have run out. */
void sv_run_row(struct worker *w, struct sv_job *job, uint32_t row);

/* ---- plan.c ------------------------------------------------------------------------------------ */

#define SV_LOST_TASKS 3 /* in a row, none of which came any further */

/* Runs the command now in the judge's region; for tasks, and for judges without a channel. */
struct attempt sv_run_judge(struct worker *w, struct sv_job *job, uint32_t start);
/* Puts a test into the judge's region, ready to run where the plan has it so. 0, or -1 with errno. */
int sv_put_test(struct worker *w, const struct sv_job *job, uint32_t cell);
/* A valid plan of this job in w->plan, and job->vacuous known. */
struct sv_error sv_plan_ensure(struct worker *w, struct sv_job *job);
/* The same plan in a new process. ESTALE: it came out otherwise, and the row starts anew. */
struct sv_error sv_plan_again(struct worker *w, struct sv_job *job);
void sv_plan_free(struct plan *plan);

/* ---- split.c ---------------------------------------------------------------------------------- */

/* Judges a whole row. Returns how many cells stayed holes. */
uint32_t sv_split_row(struct worker *w, struct sv_job *job, uint32_t row, struct sv_error *error);

#endif
