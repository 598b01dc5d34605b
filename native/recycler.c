/* recycler.c - when a worker tries planned calls in a recycled subject (keeper.c).
 *
 * In: a row whose calls are next.  Out: whether a keeper is there for it. Only speed hangs on what is
 * decided here: a row that a keeper hands on is judged in a forked subject, as if nothing had been.
 */
#define _GNU_SOURCE
#include "worker.h"

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

/* 0 when there is none. */
static int start(struct worker *w, struct template *t)
{
    struct sv_ready ready;
    struct sv_error error = sv_spawn(w, SIDE_SUBJECT, SV_RECYCLER, &ready);
    w->recycler.rows = 0;
    if (error.stage == 0 && sv_clear(w, SIDE_SUBJECT) == 0) {
        w->recycler.failures = 0;
        return 1;
    }
    w->recycler.failures++;
    sv_retire(w, t);
    return 0;
}

int sv_recycler_ready(struct worker *w, const struct sv_job *job, uint32_t row)
{
    struct template *t = &w->templates[SIDE_SUBJECT][SV_RECYCLER];
    const int mode = (int)w->pool->recycle, always = mode == SV_RECYCLE_CHECKED;
    if (mode == SV_RECYCLE_OFF || job->row_zygotes[row] != 0 || job->limits.processes != 0 ||
        job->limits.memory_bytes < LEAST_MEMORY_BYTES ||
        (job->fault.stage != SV_STAGE_NONE && job->fault.stage < SV_STAGE_RECYCLE_JAIL))
        return 0;
    if (!always && w->recycler.planned < FIRST_ROWS) {
        w->recycler.planned++;
        w->recycler.credit = CREDIT_FIRST;
        return 0;
    }
    if (!always && w->recycler.resting > 0) {
        w->recycler.resting--;
        return 0;
    }
    if (t->control >= 0 && w->recycler.rows++ >= KEEPER_ROWS)
        sv_retire(w, t);
    return t->control >= 0 || (w->recycler.failures < MOST_FAILURES && start(w, t));
}

void sv_recycler_note(struct worker *w, int whole)
{
    struct sv_pool *pool = w->pool;
    const int thrown_away = w->templates[SIDE_SUBJECT][SV_RECYCLER].control < 0;
    sv_count(pool, whole ? &pool->statistics.recycled_rows : &pool->statistics.handed_on);
    w->recycler.credit += whole ? w->recycler.credit < CREDIT_MOST : thrown_away ? -KEEPER_COSTS : -1;
    if (w->recycler.credit >= 0)
        return;
    w->recycler.credit = CREDIT_AFTER_REST;
    w->recycler.resting = REST_ROWS;
}
