/* split.c - one row under the split judge: the solution in a subject, the tests in a judge.
 *
 * Three phases, each for the cells that need it:
 *   calls    tests that are one call with literal arguments. The subject gets the row's calls in
 *            one frame and never a test; its answers are compared in the judge's template, which
 *            runs no foreign code.
 *   channel  other test code runs in a judge process; its calls cross a socket to the subject.
 *   inline   what cannot cross at all (marked so in `trust`).
 *
 * Invariant: a test's source and expected values are written to the judge's region only.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct cells { /* a growing list of cell numbers */
    uint32_t *at;
    uint32_t count;
};

static struct sv_error failed_at(enum sv_stage stage)
{
    return (struct sv_error){stage, errno};
}

static const struct sv_record *record_of(const struct worker *w, enum side side, uint32_t i)
{
    return &w->memory[side].region->records[i];
}

void sv_plan_free(struct plan *plan)
{
    free(plan->literal);
    free(plan->code);
    free(plan->call_at);
    free(plan->probe);
    free(plan->calls.bytes);
    memset(plan, 0, sizeof *plan);
}

/* Runs the command now in the judge's region; for tasks, and for judges without a channel. */
static struct attempt run_judge(struct worker *w, struct sv_job *job, uint32_t start)
{
    struct running r;
    struct running *const runs[1] = {&r};
    sv_start(w, SIDE_JUDGE, job, job->judge_zygote, start, -1, &r);
    sv_wait(w, runs, 1);
    return r.result;
}

/* ---- the plan ------------------------------------------------------------------------------------- */

static struct sv_error make_plan(struct worker *w, struct sv_job *job)
{
    struct plan *plan = &w->plan;
    sv_plan_free(plan);
    plan->literal = calloc(job->cells, sizeof *plan->literal);
    plan->code = calloc(job->cells, sizeof *plan->code);
    plan->call_at = calloc((size_t)job->cells + 1, sizeof *plan->call_at);
    plan->probe = calloc(job->cells, sizeof *plan->probe);
    if (plan->literal == NULL || plan->code == NULL || plan->call_at == NULL || plan->probe == NULL)
        return (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
    sv_prepare(w, SIDE_JUDGE, SV_KIND_PLAN, job->cells);
    for (uint32_t i = 0; i < job->cells; i++)
        if (sv_put(w, SIDE_JUDGE, job->cell_blobs[i], job->cell_lens[i]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    struct attempt a = run_judge(w, job, 0);
    if (a.error.stage != 0)
        return a.error;
    for (uint32_t i = 0; i < job->cells; i++) {
        uint32_t len;
        const char *call = sv_record_detail(w->memory[SIDE_JUDGE].region, i, SV_ANSWER_MAX, &len);
        const uint8_t mark = record_of(w, SIDE_JUDGE, i)->verdict;
        if (mark != SV_LITERAL && mark != SV_READS)
            plan->code[plan->codes++] = i;
        if (mark != SV_LITERAL && mark != SV_READS && mark != SV_PROBE)
            continue;
        plan->probe[plan->literals] = mark == SV_PROBE;
        if (mark == SV_READS)
            job->vacuous[i] = 1; /* every worker finds the same */
        if (sv_append(&plan->calls, call, len) != 0)
            return (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
        plan->literal[plan->literals++] = i;
        plan->call_at[plan->literals] = plan->calls.len;
    }
    plan->judge = &w->templates[SIDE_JUDGE][job->judge_zygote];
    plan->judge_serial = plan->judge->lifetime;
    plan->job_id = job->id;
    if (sv_clear(w, SIDE_JUDGE) != 0)
        return failed_at(SV_STAGE_REGION);
    return (struct sv_error){0, 0};
}

/* Which code tests pass with nothing behind them? Asked once per job, by whoever comes first. */
static struct sv_error find_vacuous(struct worker *w, struct sv_job *job)
{
    const struct plan *plan = &w->plan;
    uint32_t start = 0;
    struct sv_error error = {0, 0};
    sv_prepare(w, SIDE_JUDGE, SV_KIND_VACUOUS, plan->codes);
    for (uint32_t i = 0; i < plan->codes; i++)
        if (sv_put(w, SIDE_JUDGE, job->cell_blobs[plan->code[i]], job->cell_lens[plan->code[i]]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    while (start < plan->codes && !sv_unwanted(job)) {
        struct attempt a = run_judge(w, job, start);
        if (a.error.stage != 0)
            return a.error;
        start = a.done.next > start ? a.done.next : start + 1;
    }
    for (uint32_t i = 0; i < plan->codes; i++)
        job->vacuous[plan->code[i]] = record_of(w, SIDE_JUDGE, i)->verdict == SV_PASS;
    if (sv_clear(w, SIDE_JUDGE) != 0)
        error = failed_at(SV_STAGE_REGION);
    return error;
}

static struct sv_error ensure_plan(struct worker *w, struct sv_job *job)
{
    const struct plan *plan = &w->plan;
    const struct template *judge = &w->templates[SIDE_JUDGE][job->judge_zygote];
    struct sv_error error = {0, 0};
    if (plan->job_id != job->id || plan->judge != judge || plan->judge_serial != judge->lifetime ||
        judge->control < 0)
        error = make_plan(w, job);
    if (error.stage == 0 && plan->codes > 0 && atomic_exchange(&job->vacuous_known, 1) == 0) {
        error = find_vacuous(w, job);
        if (error.stage != 0)
            atomic_store(&job->vacuous_known, 0);
    }
    return error;
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static struct sv_error ask_calls(struct worker *w, struct sv_job *job, uint32_t row)
{
    const struct plan *plan = &w->plan;
    struct running r;
    struct running *const runs[1] = {&r};
    uint32_t start = 0;
    sv_prepare(w, SIDE_SUBJECT, SV_KIND_CALLS, plan->literals);
    if (sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]) != 0)
        return failed_at(SV_STAGE_PAYLOAD);
    for (uint32_t i = 0; i < plan->literals; i++)
        if (sv_put(w, SIDE_SUBJECT, plan->calls.bytes + plan->call_at[i],
                   plan->call_at[i + 1] - plan->call_at[i]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    while (start < plan->literals && !sv_unwanted(job)) {
        sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], start, -1, &r);
        sv_wait(w, runs, 1);
        sv_note_flood(w, SIDE_SUBJECT, &r);
        if (r.result.error.stage != 0)
            return r.result.error;
        start = r.result.done.next;
    }
    return (struct sv_error){0, 0};
}

/* Judges the literal tests of a row; cells whose answer was too long are added to `rest`. */
static struct sv_error judge_calls(struct worker *w, struct sv_job *job, uint32_t row,
                                   struct cells *rest)
{
    static const char empty[] = "malformed answer: empty";
    const struct plan *plan = &w->plan;
    struct sv_error error = ask_calls(w, job, row);
    uint32_t answered = 0, last = 0;
    if (error.stage != 0)
        return error;
    const struct sv_region *subject = w->memory[SIDE_SUBJECT].region;
    sv_prepare(w, SIDE_JUDGE, SV_KIND_COMPARE, plan->literals);
    for (uint32_t i = 0; i < plan->literals; i++) {
        uint32_t len = 0;
        const uint8_t mark = record_of(w, SIDE_SUBJECT, i)->verdict;
        const char *answer = sv_record_detail(subject, i, SV_ANSWER_MAX, &len);
        const int probe = plan->probe[i];
        if (probe && (mark == SV_ANSWERED || mark == SV_LONG))
            rest->at[rest->count++] = plan->literal[i]; /* the name exists: its code has to run */
        else if (mark == SV_ANSWERED && len > 0)
            answered++;
        else if (mark == SV_ANSWERED) /* no encoder writes nothing */
            sv_settle_cell(job, row, plan->literal[i], SV_FORBIDDEN, 0, SV_TRUST_SPLIT, empty,
                           sizeof empty - 1, &last);
        else if (mark == SV_LONG)
            rest->at[rest->count++] = plan->literal[i];
        else /* it never answered: its own record is the verdict */
            sv_settle_cell(job, row, plan->literal[i], mark, record_of(w, SIDE_SUBJECT, i)->cpu_us,
                           SV_TRUST_SPLIT, answer, len < SV_DETAIL_MAX ? len : SV_DETAIL_MAX, &last);
        if (sv_put(w, SIDE_JUDGE, answer, mark == SV_ANSWERED && !probe ? len : 0) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    }
    if (answered > 0) {
        struct attempt a = run_judge(w, job, 0);
        if (a.error.stage != 0)
            return a.error;
    }
    for (uint32_t i = 0; answered > 0 && i < plan->literals; i++) {
        uint32_t len;
        (void)sv_record_detail(subject, i, SV_ANSWER_MAX, &len);
        if (record_of(w, SIDE_SUBJECT, i)->verdict != SV_ANSWERED || len == 0 || plan->probe[i])
            continue;
        const char *text =
            sv_record_detail(w->memory[SIDE_JUDGE].region, i, SV_DETAIL_MAX, &len);
        sv_settle_cell(job, row, plan->literal[i], record_of(w, SIDE_JUDGE, i)->verdict,
                       record_of(w, SIDE_SUBJECT, i)->cpu_us, SV_TRUST_SPLIT, text, len, &last);
    }
    if (sv_clear(w, SIDE_JUDGE) != 0 || sv_clear(w, SIDE_SUBJECT) != 0)
        return failed_at(SV_STAGE_REGION);
    return error;
}

/* ---- channel ----------------------------------------------------------------------------------------- */

static void settle_from(struct worker *w, struct sv_job *job, uint32_t row, uint32_t i, uint32_t cell,
                        enum side side, uint64_t cpu_us, uint32_t *last)
{
    uint32_t len;
    const char *text = sv_record_detail(w->memory[side].region, i, SV_DETAIL_MAX, &len);
    sv_settle_cell(job, row, cell, record_of(w, side, i)->verdict, cpu_us, SV_TRUST_SPLIT, text, len,
                   last);
}

/* A subject's record of a cell in a channel run: does it say how the subject ended? */
static int says_why(const struct sv_record *record)
{
    return record->verdict > SV_ANSWERED && record->verdict <= SV_EARLY_EXIT;
}

/* Runs `code` (indices into it from *start on) until a subject or a judge is lost; advances
 * *start past what was settled. Cells that cannot be split are added to `rest`. */
static struct sv_error judge_channel_once(struct worker *w, struct sv_job *job, uint32_t row,
                                          const struct cells *code, uint32_t *start,
                                          struct cells *rest)
{
    struct running subject, judge;
    struct running *const runs[2] = {&subject, &judge};
    int channel[2];
    uint32_t i = *start, last = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
        return failed_at(SV_STAGE_FORK);
    sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], i, channel[0], &subject);
    sv_start(w, SIDE_JUDGE, job, job->judge_zygote, i, channel[1], &judge);
    sv_close_fd(&channel[0]);
    sv_close_fd(&channel[1]);
    sv_wait(w, runs, 2);
    if (subject.result.error.stage != 0)
        return subject.result.error;
    if (judge.result.error.stage != 0)
        return judge.result.error;
    subject.result.done.next = judge.result.done.next; /* the judge knows where they are */
    subject.flooded |= judge.flooded;
    sv_note_flood(w, SIDE_JUDGE, &subject);
    static const char hung_up[] = "left in the middle of a call";
    for (; i < judge.result.done.next && i < code->count; i++) {
        const struct sv_record *j = record_of(w, SIDE_JUDGE, i), *s = record_of(w, SIDE_SUBJECT, i);
        if (j->verdict == SV_UNSPLIT)
            rest->at[rest->count++] = code->at[i];
        else if (j->verdict == SV_LOST && says_why(s))
            settle_from(w, job, row, i, code->at[i], SIDE_SUBJECT, s->cpu_us, &last);
        else if (j->verdict == SV_LOST && subject.result.done.outside == 0)
            sv_settle_cell(job, row, code->at[i], SV_EARLY_EXIT, s->cpu_us, SV_TRUST_SPLIT, hung_up,
                           sizeof hung_up - 1, &last);
        else if (j->verdict == SV_LOST)
            continue; /* a hole */
        else
            settle_from(w, job, row, i, code->at[i], SIDE_JUDGE, (uint64_t)j->cpu_us + s->cpu_us,
                        &last);
    }
    /* A subject that died while it loaded the solution has answered for all that is left. */
    for (; i < code->count && says_why(record_of(w, SIDE_SUBJECT, i)); i++)
        settle_from(w, job, row, i, code->at[i], SIDE_SUBJECT, record_of(w, SIDE_SUBJECT, i)->cpu_us,
                    &last);
    if (i == *start) { /* neither says anything of the first cell: no progress may not mean a loop */
        if (subject.result.done.outside != 0 || judge.result.done.outside != 0) {
            errno = EPROTO;
            return failed_at(SV_STAGE_REPLY);
        }
        sv_settle_cell(job, row, code->at[i++], SV_EARLY_EXIT, 0, SV_TRUST_SPLIT, hung_up,
                       sizeof hung_up - 1, &last); /* a test that spoke for its judge */
    }
    *start = i;
    return (struct sv_error){0, 0};
}

static struct sv_error judge_channel(struct worker *w, struct sv_job *job, uint32_t row,
                                     const struct cells *code, struct cells *rest)
{
    struct sv_error error = {0, 0};
    uint32_t start = 0;
    sv_prepare(w, SIDE_SUBJECT, SV_KIND_SERVE, code->count);
    sv_prepare(w, SIDE_JUDGE, SV_KIND_JUDGE, code->count);
    if (sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]) != 0)
        return failed_at(SV_STAGE_PAYLOAD);
    for (uint32_t i = 0; i < code->count; i++)
        if (sv_put(w, SIDE_JUDGE, job->cell_blobs[code->at[i]], job->cell_lens[code->at[i]]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    while (start < code->count && error.stage == 0 && !sv_unwanted(job))
        error = judge_channel_once(w, job, row, code, &start, rest);
    if (error.stage == 0 && (sv_clear(w, SIDE_JUDGE) != 0 || sv_clear(w, SIDE_SUBJECT) != 0))
        error = failed_at(SV_STAGE_REGION);
    return error;
}

/* ---- the row ------------------------------------------------------------------------------------------ */

static uint32_t holes_in(const struct sv_job *job, uint32_t row)
{
    uint32_t holes = 0;
    for (uint32_t i = 0; i < job->cells; i++)
        holes += job->verdict[(size_t)row * job->cells + i] == SV_INFRA;
    return holes;
}

uint32_t sv_split_row(struct worker *w, struct sv_job *job, uint32_t row, struct sv_error *error)
{
    struct cells code = {calloc(job->cells, sizeof(uint32_t)), 0};
    struct cells whole = {calloc(job->cells, sizeof(uint32_t)), 0};
    *error = (struct sv_error){0, 0};
    if (code.at == NULL || whole.at == NULL)
        *error = (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
    if (error->stage == 0)
        *error = ensure_plan(w, job);
    if (error->stage == 0) {
        for (uint32_t i = 0, next = 0; i < w->plan.codes; i++) { /* those that nobody probes */
            while (next < w->plan.literals && w->plan.literal[next] < w->plan.code[i])
                next++;
            if (next == w->plan.literals || w->plan.literal[next] != w->plan.code[i])
                code.at[code.count++] = w->plan.code[i];
        }
        if (w->plan.literals > 0)
            *error = judge_calls(w, job, row, &code);
    }
    if (error->stage == 0 && code.count > 0)
        *error = judge_channel(w, job, row, &code, &whole);
    if (error->stage != 0) { /* leave nothing of a half-run phase for the next attempt */
        if (sv_clear(w, SIDE_SUBJECT) != 0 || sv_clear(w, SIDE_JUDGE) != 0)
            *error = failed_at(SV_STAGE_REGION);
    } else if (whole.count > 0) {
        (void)sv_inline_cells(w, job, row, whole.at, whole.count, error); /* counted below */
    }
    free(code.at);
    free(whole.at);
    return holes_in(job, row);
}
