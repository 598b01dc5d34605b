/* recycler.c - when a worker tries a row in a recycled subject (keeper.c), and what that reads and prints.
 *
 * In: a program, or a row whose planned calls are next.  Out: its whole answer and output, or nothing.
 * Only speed hangs on what is decided here: a row that a keeper hands on is judged in a forked subject,
 * as if nothing had been. Invariant: a row finds its streams as they are in a fork, at their beginning.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_ROWS 8u    /* forked: a few rows are not worth a keeper's beginning */
#define KEEPER_ROWS 8192u /* then a new one */
/* What recycling has saved this worker, in rows: one that is handed on costs little, a new keeper as much
 * as some 16 rows save. Below nothing, rows are forked for a while. */
#define CREDIT_FIRST 16
#define CREDIT_MOST 64
#define CREDIT_AFTER_REST 4
#define KEEPER_COSTS 16
#define REST_ROWS 64u
#define MOST_FAILURES 3u  /* to start one: this worker has none */
/* Less than all that a recycled subject has free: a forked one has as much for certain. */
#define LEAST_MEMORY_BYTES (64ull << 20)

static struct template *place_of(struct worker *w, const struct recycler *keeper)
{
    return &w->templates[SIDE_SUBJECT][SV_KEEPER(keeper - w->recycler)];
}

/* 1, or 0 when there is none; -1 with errno when the region is not blank: it has rehearsed there. */
static int start(struct worker *w, struct recycler *keeper)
{
    struct sv_ready ready;
    struct sv_error error = sv_spawn(w, SIDE_SUBJECT, (int)SV_KEEPER(keeper - w->recycler), &ready);
    keeper->rows = 0;
    if (error.stage == 0 && sv_clear(w, SIDE_SUBJECT) == 0) {
        keeper->failures = 0;
        return 1;
    }
    keeper->failures++;
    sv_retire(w, place_of(w, keeper));
    return sv_clear(w, SIDE_SUBJECT);
}

int sv_recycler_ready(struct worker *w, const struct sv_job *job, uint32_t row)
{
    struct recycler *keeper = &w->recycler[job->row_zygotes[row]];
    struct template *t = place_of(w, keeper);
    const int mode = (int)w->pool->recycle, always = mode == SV_RECYCLE_CHECKED;
    if ((job->kind == SV_KIND_PROGRAM && job->cell_blob_count > 0) || job->stdin_len >= SV_STREAM_BYTES)
        return 0; /* it begins with writing files, or reads much */
    if (mode == SV_RECYCLE_OFF || job->limits.processes != 0 ||
        job->limits.memory_bytes < LEAST_MEMORY_BYTES ||
        (job->fault.stage != SV_STAGE_NONE && job->fault.stage < SV_STAGE_RECYCLE_JAIL))
        return 0;
    if (!always && keeper->seen < FIRST_ROWS) {
        keeper->seen++;
        keeper->credit = CREDIT_FIRST;
        return 0;
    }
    if (!always && keeper->resting > 0) {
        keeper->resting--;
        return 0;
    }
    if (t->control >= 0 && keeper->rows++ >= KEEPER_ROWS)
        sv_retire(w, t);
    if (t->control >= 0)
        return 1;
    return keeper->failures < MOST_FAILURES ? start(w, keeper) : 0;
}

/* What became of a row. */
static void note(struct worker *w, struct recycler *keeper, int whole)
{
    struct sv_pool *pool = w->pool;
    const int thrown_away = place_of(w, keeper)->control < 0;
    sv_count(pool, whole ? &pool->statistics.recycled_rows : &pool->statistics.handed_on);
    keeper->credit += whole ? keeper->credit < CREDIT_MOST : thrown_away ? -KEEPER_COSTS : -1;
    if (keeper->credit >= 0)
        return;
    keeper->credit = CREDIT_AFTER_REST;
    keeper->resting = REST_ROWS;
}

/* ---- streams -------------------------------------------------------------------------------------- */

void sv_streams_close(struct recycler *keeper)
{
    for (int i = 0; i < 3; i++)
        sv_close_fd(&keeper->streams[i]);
}

int sv_streams_create(struct recycler *keeper)
{
    static const char *const names[] = {"sv-stdin", "sv-stdout", "sv-stderr"};
    sv_streams_close(keeper); /* those of a keeper that is gone */
    for (int i = 0; i < 3; i++) {
        int *fd = &keeper->streams[i];
        *fd = memfd_create(names[i], MFD_CLOEXEC);
        if (*fd < 0 || (i == 0 ? fchmod(*fd, 0444) : fcntl(*fd, F_SETFL, O_APPEND)) != 0)
            return -1;
    }
    return 0;
}

/* Nothing of another row is in them, not even when it read. 0, or -1 with errno. */
static int blank_streams(const struct recycler *keeper, const struct sv_job *job)
{
    const int *fds = keeper->streams;
    for (int i = 0; i < 3; i++)
        if (ftruncate(fds[i], 0) != 0)
            return -1;
    return sv_write_input(fds[0], job) == 0 && lseek(fds[0], 0, SEEK_SET) == 0 && futimens(fds[0], NULL) == 0
               ? 0
               : -1;
}

/* Takes what a program printed. 0, or -1 where it is more than it may be, or cannot be told. */
static int take_output(const struct recycler *keeper, struct sv_job *job)
{
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        const int fd = keeper->streams[1 + i];
        char buffer[16384];
        struct stat st;
        if (fstat(fd, &st) != 0 || st.st_size >= SV_STREAM_BYTES)
            return -1;
        sum += (uint64_t)st.st_size;
        if (sum > job->limits.output_bytes)
            return -1;
        for (off_t at = 0; job->kind == SV_KIND_PROGRAM && at < st.st_size;) {
            const ssize_t n = pread(fd, buffer, sizeof buffer, at);
            if (n <= 0 || sv_append(&job->out[i], buffer, (size_t)n) != 0)
                return -1;
            at += n;
        }
    }
    return 0;
}

/* ---- a row ---------------------------------------------------------------------------------------- */

struct sv_error sv_recycler_run(struct worker *w, struct sv_job *job, uint32_t row, struct sv_done *done,
                               int *whole)
{
    struct recycler *keeper = &w->recycler[job->row_zygotes[row]];
    struct running r = {0};
    struct running *const runs[1] = {&r};
    *whole = 0;
    if (blank_streams(keeper, job) == 0) {
        sv_start(w, SIDE_SUBJECT, job, (int)SV_KEEPER(keeper - w->recycler), 0, NULL, &r);
        sv_wait(w, runs, 1);
        *done = r.result.done;
        *whole = r.result.error.stage == 0 && done->handed_on == SV_HANDED_NOT && take_output(keeper, job) == 0;
    }
    note(w, keeper, *whole);
    if (r.result.error.stage == SV_STAGE_RECYCLE_CHECK)
        return r.result.error; /* a test is to see it; any other failure costs the keeper only */
    if (*whole)
        return (struct sv_error){0, 0};
    job->out[0].len = job->out[1].len = 0;
    return sv_clear(w, SIDE_SUBJECT) == 0 ? (struct sv_error){0, 0} : (struct sv_error){SV_STAGE_REGION, errno};
}
