/* recycler.c - when a worker tries planned calls in a recycled subject (keeper.c).
 *
 * In: a row whose calls are next.  Out: whether a keeper is there for it. Only speed hangs on what is
 * decided here: a row that a keeper hands on is judged in a forked subject, as if nothing had been.
 */
#define _GNU_SOURCE
#include "worker.h"

#define FIRST_ROWS 8u    /* forked: a few rows are not worth a keeper's beginning */
#define KEEPER_ROWS 8192u /* then a new one */
#define MOST_MISSES 4u   /* one after another: such rows are better forked at once */
#define REST_ROWS 64u

int sv_recycler_ready(struct worker *w, const struct sv_job *job, uint32_t row)
{
    struct template *t = &w->templates[SIDE_SUBJECT][SV_RECYCLER];
    const int mode = atomic_load(&w->pool->recycle), always = mode == SV_RECYCLE_CHECKED;
    if (mode == SV_RECYCLE_OFF || job->row_zygotes[row] != 0 || job->limits.processes != 0 ||
        job->fault.stage != SV_STAGE_NONE)
        return 0;
    if (!always && w->recycler.planned < FIRST_ROWS) {
        w->recycler.planned++;
        return 0;
    }
    if (!always && w->recycler.resting > 0) {
        w->recycler.resting--;
        return 0;
    }
    if (t->control >= 0 && w->recycler.rows++ >= KEEPER_ROWS)
        sv_retire(w, t);
    if (t->control < 0) {
        struct sv_ready ready;
        w->recycler.rows = 0;
        if (sv_spawn(w, SIDE_SUBJECT, SV_RECYCLER, &ready).stage != 0 || sv_clear(w, SIDE_SUBJECT) != 0) {
            atomic_store(&w->pool->recycle, SV_RECYCLE_OFF);
            sv_retire(w, t);
            return 0;
        }
    }
    return 1;
}

void sv_recycler_note(struct worker *w, int whole)
{
    struct sv_pool *pool = w->pool;
    sv_count(pool, whole ? &pool->statistics.recycled_rows : &pool->statistics.handed_on);
    w->recycler.misses = whole ? 0 : w->recycler.misses + 1;
    if (w->recycler.misses < MOST_MISSES)
        return;
    w->recycler.misses = 0;
    w->recycler.resting = REST_ROWS;
}
