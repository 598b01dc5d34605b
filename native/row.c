/* row.c - one row of a job: the inline judge and programs, attempts and holes. (Split: split.c.)
 *
 * In: a job and a row number.  Out: the row's cells in the job's arrays. Invariants: a cell is written
 * after every process of its row is gone; what a subject wrote is checked when it is read; a row whose
 * template failed is tried again in a new one, and what still fails stays a hole (SV_INFRA) with the
 * address of the failure as its detail.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>

#define ATTEMPTS 3 /* at a row that has holes */
#define USED_UP 4  /* and so many more that end because a template was used up: no failure */

static struct sv_error fill(struct worker *w, struct sv_job *job, uint32_t row)
{
    sv_prepare(w, SIDE_SUBJECT, job->kind, job->cells);
    int failed = sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]);
    for (uint32_t i = 0; failed == 0 && i < job->cell_blob_count; i++)
        failed = sv_put(w, SIDE_SUBJECT, job->cell_blobs[i], job->cell_lens[i]);
    return failed == 0 ? (struct sv_error){0, 0} : (struct sv_error){SV_STAGE_PAYLOAD, errno};
}

/* One process for all of it. Returns how many cells stayed holes. */
static uint32_t together(struct worker *w, struct sv_job *job, uint32_t row, struct sv_error *error)
{
    struct running r = {0};
    struct running *const runs[1] = {&r};
    uint32_t start = 0, holes = 0, last = 0;
    int whole = 0, ready = 0;
    *error = (struct sv_error){0, 0};
    job->out[0].len = job->out[1].len = 0;
    if (job->judge == SV_JUDGE_TOGETHER)
        *error = sv_plan_ensure(w, job);
    if (job->kind == SV_KIND_PROGRAM)
        ready = sv_recycler_ready(w, job, row);
    if (ready < 0)
        *error = (struct sv_error){SV_STAGE_REGION, errno};
    if (ready > 0) {
        *error = fill(w, job, row);
        if (error->stage == 0)
            *error = sv_recycler_run(w, job, row, &r.result.done, &whole);
    }
    if (!whole && error->stage == 0)
        *error = fill(w, job, row);
    while (!whole && error->stage == 0 && start < job->cells && !sv_unwanted(job)) {
        sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], start, NULL, &r);
        sv_wait(w, runs, 1);
        sv_note_flood(w, SIDE_SUBJECT, &r);
        *error = r.result.error;
        start = r.result.done.next;
    }
    if (job->kind == SV_KIND_PROGRAM && error->stage == 0)
        job->done = r.result.done;
    for (uint32_t i = 0; i < job->cells; i++) {
        const struct sv_region *region = w->memory[SIDE_SUBJECT].region;
        uint32_t len;
        const char *text = sv_record_detail(region, i, SV_DETAIL_MAX, &len);
        if (error->stage != 0 || region->records[i].verdict == SV_INFRA)
            holes++;
        else if (region->records[i].verdict == SV_UNSPLIT)
            sv_leave_out(job, row, i, text, len);
        else
            sv_settle_cell(job, row, i, region->records[i].verdict,
                           region->records[i].cpu_us, SV_TRUST_INLINE, text, len, &last);
    }
    if (sv_clear(w, SIDE_SUBJECT) != 0)
        *error = (struct sv_error){SV_STAGE_REGION, errno};
    return holes;
}

void sv_run_row(struct worker *w, struct sv_job *job, uint32_t row)
{
    struct sv_pool *pool = w->pool;
    struct sv_error error = {0, 0};
    uint32_t holes = job->cells;
    int attempts = 0, used_up = 0;
    while (attempts < ATTEMPTS && holes > 0 && !sv_unwanted(job)) {
        if (attempts > 0 && error.err != ESTALE)
            sv_count(pool, &pool->statistics.retried);
        w->fresh[SIDE_SUBJECT] = w->fresh[SIDE_JUDGE] = 1;
        sv_retire_dead(w, attempts > 0); /* killed since: that costs no attempt */
        holes = job->judge == SV_JUDGE_SPLIT ? sv_split_row(w, job, row, &error)
                                             : together(w, job, row, &error);
        attempts += error.err != ESTALE || ++used_up > USED_UP;
        if (atomic_load(&pool->stop) || atomic_load(&pool->failed_spawns) >= SV_BROKEN_AFTER)
            break;
    }
    if (holes > 0 && !atomic_load(&job->cancelled)) {
        sv_explain_holes(job, row, error);
        sv_count(pool, &pool->statistics.infra_rows);
    }
    sv_count(pool, &pool->statistics.rows);
}
