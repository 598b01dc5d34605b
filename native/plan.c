/* plan.c - what a judge made of a job's tests: which are calls with literals, which need code to run.
 *
 * In: a job.  Out: the worker's plan, which one task process of one template (task.c) holds the other
 * half of: expected values, in the order of `literal`. Jobs with the same tests, one after another,
 * share a plan. Invariant: where that process is lost, the plan is made again before anything is
 * compared; a test that cost the process its life is not planned twice, and fails by itself.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_BYTES (1u << 20) /* of tests: they are planned anew for each job */

static struct sv_error failed_at(enum sv_stage stage)
{
    return (struct sv_error){stage, errno};
}

struct blob { /* of a record */
    const char *bytes;
    uint32_t len;
};

void sv_plan_free(struct plan *plan)
{
    free(plan->source.bytes);
    free(plan->reads);
    free(plan->literal);
    free(plan->code);
    free(plan->call_at);
    free(plan->probe);
    free(plan->passing.bytes);
    free(plan->passing_at);
    free(plan->failed);
    free(plan->calls.bytes);
    free(plan->tests.bytes);
    free(plan->test_at);
    memset(plan, 0, sizeof *plan);
}

struct attempt sv_run_judge(struct worker *w, struct sv_job *job, uint32_t start)
{
    struct running r;
    struct running *const runs[1] = {&r};
    sv_start(w, SIDE_JUDGE, job, job->judge_zygote, start, NULL, &r);
    sv_wait(w, runs, 1);
    return r.result;
}

static uint8_t mark_of(const struct worker *w, uint32_t i)
{
    return w->memory[SIDE_JUDGE].region->records[i].verdict;
}

/* Keeps a copy, unless it would be large: then nothing fits (below). */
static int keep_source(struct plan *plan, const struct sv_job *job)
{
    for (uint32_t i = 0; i < job->cells && plan->source.len <= LARGE_BYTES; i++)
        if (sv_append(&plan->source, &job->cell_lens[i], sizeof job->cell_lens[i]) != 0 ||
            sv_append(&plan->source, job->cell_blobs[i], job->cell_lens[i]) != 0)
            return -1;
    if (plan->source.len > LARGE_BYTES)
        plan->source.len = 0;
    return 0;
}

static struct sv_error new_plan(struct plan *plan, const struct sv_job *job)
{
    sv_plan_free(plan);
    plan->reads = calloc(job->cells, sizeof *plan->reads);
    plan->literal = calloc(job->cells, sizeof *plan->literal);
    plan->code = calloc(job->cells, sizeof *plan->code);
    plan->call_at = calloc((size_t)job->cells + 1, sizeof *plan->call_at);
    plan->probe = calloc(job->cells, sizeof *plan->probe);
    plan->passing_at = calloc((size_t)job->cells + 1, sizeof *plan->passing_at);
    plan->failed = calloc(job->cells, sizeof *plan->failed);
    plan->test_at = calloc((size_t)job->cells + 1, sizeof *plan->test_at);
    if (plan->reads == NULL || keep_source(plan, job) != 0 || plan->literal == NULL || plan->code == NULL ||
        plan->call_at == NULL || plan->probe == NULL || plan->passing_at == NULL || plan->failed == NULL ||
        plan->test_at == NULL) {
        sv_plan_free(plan);
        return (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
    }
    plan->job_id = job->id;
    plan->limits = job->limits;
    return (struct sv_error){0, 0};
}

/* Whether what was planned for another job is what this one needs, and whole. */
static int fits(const struct plan *plan, const struct sv_job *job)
{
    size_t at = 0;
    if (job->fault.stage != SV_STAGE_NONE || memcmp(&plan->limits, &job->limits, sizeof job->limits) != 0)
        return 0;
    for (uint32_t i = 0; i < job->cells; i++) {
        const size_t len = job->cell_lens[i];
        if (at + sizeof len + len > plan->source.len ||
            memcmp(plan->source.bytes + at, &len, sizeof len) != 0 ||
            memcmp(plan->source.bytes + at + sizeof len, job->cell_blobs[i], len) != 0 ||
            plan->failed[i] != 0)
            return 0;
        at += sizeof len + len;
    }
    return at == plan->source.len;
}

/* What reads only, each job has to know. */
static void tell_vacuous(const struct plan *plan, struct sv_job *job)
{
    for (uint32_t i = 0; i < job->cells; i++)
        if (plan->reads[i])
            job->vacuous[i] = 1; /* every worker finds the same */
}

/* One attempt: *whole says whether a process has planned all that has not failed before. */
static struct sv_error try_plan(struct worker *w, struct sv_job *job, int *whole)
{
    static const char nothing[] = "raise"; /* in the place of what has failed: asks nothing of anybody */
    struct plan *plan = &w->plan;
    uint32_t failed = 0;
    sv_prepare(w, SIDE_JUDGE, SV_KIND_PLAN, job->cells);
    for (uint32_t i = 0; i < job->cells; i++) {
        const int skip = plan->failed[i] != 0;
        if (sv_put(w, SIDE_JUDGE, skip ? nothing : job->cell_blobs[i],
                   skip ? sizeof nothing - 1 : job->cell_lens[i]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    }
    struct attempt a = sv_run_judge(w, job, 0);
    if (a.error.stage != 0)
        return a.error;
    if (sv_unwanted(job))
        return (struct sv_error){SV_STAGE_REPLY, ECANCELED};
    plan->task = a.done.task;
    *whole = a.done.task != 0 && a.done.next >= job->cells;
    for (uint32_t i = 0; i < job->cells; i++)
        if (plan->failed[i] == 0 && mark_of(w, i) != 0 && mark_of(w, i) <= SV_EARLY_EXIT) {
            plan->failed[i] = mark_of(w, i);
            failed++;
        }
    if (!*whole && failed == 0)
        return (struct sv_error){SV_STAGE_REPLY, ECHILD}; /* killed, and no test's doing */
    return (struct sv_error){0, 0};
}

/* The request that a record holds, and in *more what goes with it. 0, or -1 with errno. A record without
 * a detail had no room for one: both are empty. */
static int read_record(const struct worker *w, uint32_t i, struct blob *request, struct blob *more)
{
    struct sv_code code = {0};
    uint32_t len;
    const char *detail = sv_record_detail(w->memory[SIDE_JUDGE].region, i, SV_ANSWER_MAX, &len);
    if (len >= sizeof code) {
        memcpy(&code, detail, sizeof code);
        detail += sizeof code;
        len -= (uint32_t)sizeof code;
    }
    if (code.request_len > len) {
        errno = EPROTO;
        return -1;
    }
    *request = (struct blob){detail, code.request_len};
    *more = (struct blob){detail + code.request_len, len - code.request_len};
    return 0;
}

static struct sv_error read_plan(struct worker *w, struct sv_job *job)
{
    struct plan *plan = &w->plan;
    plan->literals = plan->codes = 0;
    plan->calls.len = plan->tests.len = plan->passing.len = 0;
    for (uint32_t i = 0; i < job->cells; i++) {
        const uint8_t mark = mark_of(w, i);
        const int literal = mark == SV_LITERAL || mark == SV_READS, failed = plan->failed[i] != 0;
        struct blob request = {"", 0}, more = {"", 0};
        if (failed && (literal || mark == SV_PROBE))
            return (struct sv_error){SV_STAGE_REPLY, EPROTO}; /* nothing of it was to be planned */
        if (!failed && read_record(w, i, &request, &more) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
        if (!failed && !literal)
            plan->code[plan->codes++] = i;
        if (sv_append(literal ? &plan->passing : &plan->tests, more.bytes, more.len) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
        plan->test_at[i + 1] = plan->tests.len;
        if (!literal && mark != SV_PROBE)
            continue;
        plan->probe[plan->literals] = mark == SV_PROBE;
        plan->reads[i] = mark == SV_READS;
        if (sv_append(&plan->calls, request.bytes, request.len) != 0)
            return (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
        plan->literal[plan->literals++] = i;
        plan->call_at[plan->literals] = plan->calls.len;
        plan->passing_at[plan->literals] = plan->passing.len;
    }
    plan->judge = &w->templates[SIDE_JUDGE][job->judge_zygote];
    plan->judge_serial = plan->judge->lifetime;
    tell_vacuous(plan, job);
    return (struct sv_error){0, 0};
}

static struct sv_error make_plan(struct worker *w, struct sv_job *job)
{
    struct sv_error error = {0, 0};
    int whole = 0;
    if (w->plan.job_id != job->id)
        error = new_plan(&w->plan, job);
    w->plan.judge = NULL; /* valid when it is read */
    while (error.stage == 0 && !whole) {
        error = try_plan(w, job, &whole);
        if (error.stage == 0 && whole)
            error = read_plan(w, job);
        if (sv_clear(w, SIDE_JUDGE) != 0 && error.stage == 0)
            error = failed_at(SV_STAGE_REGION);
    }
    if (error.stage != 0)
        w->plan.judge = NULL;
    else
        sv_count(w->pool, &w->pool->statistics.plans);
    return error;
}

struct sv_error sv_plan_again(struct worker *w, struct sv_job *job)
{
    const uint32_t literals = w->plan.literals;
    uint32_t *before = malloc((size_t)literals * sizeof *before + 1);
    if (before == NULL)
        return (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
    memcpy(before, w->plan.literal, (size_t)literals * sizeof *before);
    struct sv_error error = make_plan(w, job);
    /* A test that could be planned and now cannot: what a row was asked no longer fits. */
    if (error.stage == 0 && (literals != w->plan.literals ||
                             memcmp(before, w->plan.literal, (size_t)literals * sizeof *before) != 0))
        error = (struct sv_error){SV_STAGE_REPLY, ESTALE};
    free(before);
    return error;
}

int sv_put_test(struct worker *w, const struct sv_job *job, uint32_t cell)
{
    const size_t *at = &w->plan.test_at[cell];
    if (at[1] > at[0])
        return sv_put(w, SIDE_JUDGE, w->plan.tests.bytes + at[0], at[1] - at[0]);
    return sv_put(w, SIDE_JUDGE, job->cell_blobs[cell], job->cell_lens[cell]);
}

/* Which code tests pass with nothing behind them? Asked once per job, by whoever comes first. */
static struct sv_error find_vacuous(struct worker *w, struct sv_job *job)
{
    const struct plan *plan = &w->plan;
    const uint32_t count = plan->codes;
    uint32_t start = 0;
    struct sv_error error = {0, 0};
    if (count == 0)
        return error;
    sv_prepare(w, SIDE_JUDGE, SV_KIND_VACUOUS, count);
    for (uint32_t at = 0; at < count; at++)
        if (sv_put_test(w, job, plan->code[at]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    while (start < count && !sv_unwanted(job)) {
        struct attempt a = sv_run_judge(w, job, start);
        if (a.error.stage != 0)
            return a.error;
        start = a.done.next > start ? a.done.next : start + 1;
    }
    for (uint32_t at = 0; at < count; at++)
        job->vacuous[plan->code[at]] = mark_of(w, at) == SV_PASS;
    if (sv_clear(w, SIDE_JUDGE) != 0)
        error = failed_at(SV_STAGE_REGION);
    return error;
}

struct sv_error sv_plan_ensure(struct worker *w, struct sv_job *job)
{
    struct plan *plan = &w->plan;
    const struct template *judge = &w->templates[SIDE_JUDGE][job->judge_zygote];
    struct sv_error error = {0, 0};
    const int valid = plan->judge == judge && plan->judge_serial == judge->lifetime && judge->control >= 0;
    if (valid && plan->job_id != job->id && fits(plan, job)) {
        plan->job_id = job->id;
        tell_vacuous(plan, job);
    }
    if (!valid || plan->job_id != job->id)
        error = make_plan(w, job);
    if (error.stage == 0 && atomic_exchange(&job->vacuous_known, 1) == 0) {
        error = find_vacuous(w, job);
        if (error.stage != 0)
            atomic_store(&job->vacuous_known, 0);
    }
    return error;
}
