/* split.c - one row under the split judge: the solution in a subject, the tests in a judge.
 *
 * Three phases, each for the cells that need it:
 *   calls    tests that are calls with literal arguments. The subject gets the row's calls in one
 *            frame (or a few, where they do not fit) and never a test; its answers are compared in a
 *            process that runs no foreign code (task.c), but for the bytes it has said will pass.
 *   channel  other test code runs in a judge process; its calls cross two pipes to the subject.
 *   together and then, when all of the row is decided, in one process with the solution, as do the
 *            calls of a solution that is not plain: what fails there has failed, also of tests that
 *            need one process and were left out.
 *
 * A cell that fails apart and passes together is a pass with no more trust than one process gives,
 * unless the judge knows better.
 *
 * Invariant: while anything of a row is undecided, its tests and expected values are in the judge's
 * region only, and in this process (plan.c), never in a region of a subject's.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- calls ------------------------------------------------------------------------------------------ */

/* How many literal tests from `first` on fit into a subject's region beside its solution: up to this. */
static uint32_t end_of_chunk(const struct worker *w, const struct sv_job *job, uint32_t row, uint32_t first)
{
    const struct plan *plan = &w->plan;
    uint64_t room = SV_PAYLOAD_BYTES, head = sizeof(uint32_t) + job->row_lens[row];
    room = head < room ? room - head : 0;
    while (first < plan->literals) {
        const uint64_t needs = sizeof(uint32_t) + plan->call_at[first + 1] - plan->call_at[first];
        if (needs > room)
            break;
        room -= needs;
        first++;
    }
    return first;
}

static struct sv_error put_calls(struct worker *w, struct sv_job *job, uint32_t row, uint32_t first,
                                 uint32_t last, enum sv_kind kind)
{
    const struct plan *plan = &w->plan;
    sv_prepare(w, SIDE_SUBJECT, kind, last - first);
    if (sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]) != 0)
        return failed_at(SV_STAGE_PAYLOAD);
    for (uint32_t i = first; i < last; i++)
        if (sv_put(w, SIDE_SUBJECT, plan->calls.bytes + plan->call_at[i],
                   plan->call_at[i + 1] - plan->call_at[i]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    return (struct sv_error){0, 0};
}

/* *recycled: whether a recycled subject may be tried; afterwards, whether one answered. */
static struct sv_error ask_calls(struct worker *w, struct sv_job *job, uint32_t row, uint32_t first,
                                 uint32_t last, enum sv_kind kind, int *recycled)
{
    struct running r;
    struct running *const runs[1] = {&r};
    struct sv_error error = {0, 0};
    uint32_t start = 0;
    struct sv_done done;
    int whole = 0;
    const int ready = *recycled ? sv_recycler_ready(w, job, row) : 0;
    *recycled = 0;
    if (ready < 0)
        return failed_at(SV_STAGE_REGION);
    if (ready > 0) {
        error = put_calls(w, job, row, first, last, kind);
        if (error.stage == 0)
            error = sv_recycler_run(w, job, row, &done, &whole);
        *recycled = whole;
    }
    if (!whole && error.stage == 0)
        error = put_calls(w, job, row, first, last, kind);
    if (whole || error.stage != 0)
        return error;
    while (start < last - first && !sv_unwanted(job)) {
        sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], start, NULL, &r);
        sv_wait(w, runs, 1);
        sv_note_flood(w, SIDE_SUBJECT, &r);
        if (r.result.error.stage != 0)
            return r.result.error;
        start = r.result.done.next;
    }
    return (struct sv_error){0, 0};
}

/* Is it the answer that is known to pass? */
static int is_passing(const struct plan *plan, uint32_t i, const char *answer, uint32_t len)
{
    const size_t at = plan->passing_at[i];
    return len > 0 && plan->passing_at[i + 1] - at == len && memcmp(plan->passing.bytes + at, answer, len) == 0;
}

/* Settles what is decided without a comparison, adds to `rest` what test code has to decide, and
 * returns whether the answer is to be compared. */
static int is_answered(struct worker *w, struct sv_job *job, uint32_t row, uint32_t i, uint32_t first,
                       struct cells *rest, uint32_t *last_detail)
{
    static const char empty[] = "malformed answer: empty";
    const uint32_t cell = w->plan.literal[i];
    const struct sv_record *record = record_of(w, SIDE_SUBJECT, i - first);
    uint32_t len;
    const char *answer =
        sv_record_detail(w->memory[SIDE_SUBJECT].region, i - first, SV_ANSWER_MAX, &len);
    /* What was too long, or a probe's name that exists: its code has to run. */
    if (record->verdict == SV_LONG || record->verdict == SV_STRANGE || record->verdict == SV_ALONE ||
        (record->verdict == SV_ANSWERED && w->plan.probe[i]))
        rest->at[rest->count++] = cell;
    else if (record->verdict == SV_ANSWERED && is_passing(&w->plan, i, answer, len))
        sv_settle_cell(job, row, cell, SV_PASS, record->cpu_us, SV_TRUST_PROVEN, "", 0, last_detail);
    else if (record->verdict == SV_ANSWERED && len > 0)
        return 1;
    else if (record->verdict == SV_ANSWERED) /* no encoder writes nothing */
        sv_settle_cell(job, row, cell, SV_FORBIDDEN, 0, SV_TRUST_PROVEN, empty, sizeof empty - 1,
                       last_detail);
    else /* it never answered: its own record is the verdict */
        sv_settle_cell(job, row, cell, record->verdict, record->cpu_us, SV_TRUST_PROVEN, answer,
                       len < SV_DETAIL_MAX ? len : SV_DETAIL_MAX, last_detail);
    return 0;
}

/* Compares the answers `wanted` of tests from `first` on, as far as one process comes with it.
 * Returns in *next how far that was. */
static struct sv_error compare_once(struct worker *w, struct sv_job *job, uint32_t row, uint32_t first,
                                    const uint8_t *wanted, uint32_t *next, uint32_t *last_detail)
{
    const struct sv_region *subject = w->memory[SIDE_SUBJECT].region;
    const uint32_t from = *next, literals = w->plan.literals;
    uint32_t len = 0;
    sv_prepare(w, SIDE_JUDGE, SV_KIND_COMPARE, literals);
    for (uint32_t i = 0; i < literals; i++) {
        const char *answer = "";
        const int put = i >= from && wanted[i];
        if (put)
            answer = sv_record_detail(subject, i - first, SV_ANSWER_MAX, &len);
        if (sv_put(w, SIDE_JUDGE, answer, put ? len : 0) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    }
    struct attempt a = sv_run_judge(w, job, from);
    if (a.error.stage != 0)
        return a.error;
    *next = a.done.next < literals ? a.done.next : literals;
    for (uint32_t i = from; i < *next; i++) {
        if (!wanted[i])
            continue;
        const char *text = sv_record_detail(w->memory[SIDE_JUDGE].region, i, SV_DETAIL_MAX, &len);
        sv_settle_cell(job, row, w->plan.literal[i], record_of(w, SIDE_JUDGE, i)->verdict,
                       record_of(w, SIDE_SUBJECT, i - first)->cpu_us, SV_TRUST_PROVEN, text, len,
                       last_detail);
    }
    return sv_clear(w, SIDE_JUDGE) == 0 ? (struct sv_error){0, 0} : failed_at(SV_STAGE_REGION);
}

/* An answer that costs its cell the process that compares, costs the others a new plan. */
static struct sv_error compare(struct worker *w, struct sv_job *job, uint32_t row, uint32_t first,
                               const uint8_t *wanted, uint32_t *last_detail)
{
    struct sv_error error = {0, 0};
    uint32_t next = first, stuck = 0;
    for (;;) {
        const uint32_t from = next;
        error = compare_once(w, job, row, first, wanted, &next, last_detail);
        if (error.stage != 0 || next >= w->plan.literals || sv_unwanted(job))
            return error;
        stuck = next > from ? 0 : stuck + 1;
        if (stuck > SV_LOST_TASKS)
            return (struct sv_error){SV_STAGE_REPLY, ECHILD}; /* somebody keeps killing it */
        error = sv_plan_again(w, job);
        if (error.stage != 0)
            return error;
    }
}

/* Judges literal tests of a row; cells whose answer was too long are added to `rest`, and to `strange`
 * those that run in one process as well, because the solution is not plain (`jailed/plain.py`). Where
 * they have to be asked one by one (`jailed/tidy.py`) and are more, nothing is done, and *alone set. */
static struct sv_error judge_calls(struct worker *w, struct sv_job *job, uint32_t row, uint32_t first,
                                   uint32_t last, struct cells *rest, struct cells *strange, int *alone)
{
    uint8_t *wanted = calloc(w->plan.literals, 1);
    struct sv_error error = {SV_STAGE_PAYLOAD, ENOMEM};
    uint32_t answered = 0, last_detail = 0;
    int is_strange = 0, recycled = 1;
    if (wanted != NULL)
        error = ask_calls(w, job, row, first, last, SV_KIND_CALLS, &recycled);
    if (error.stage == 0 && record_of(w, SIDE_SUBJECT, 0)->verdict == SV_STRANGE) {
        is_strange = 1;
        error = sv_clear(w, SIDE_SUBJECT) != 0
                    ? failed_at(SV_STAGE_REGION)
                    : ask_calls(w, job, row, first, last, SV_KIND_ASKED, &recycled);
    }
    *alone |= error.stage == 0 && last > first + 1 && record_of(w, SIDE_SUBJECT, 0)->verdict == SV_ALONE;
    for (uint32_t i = first; error.stage == 0 && !(*alone && last > first + 1) && i < last; i++) {
        const uint32_t before = rest->count;
        answered += wanted[i] = (uint8_t)is_answered(w, job, row, i, first, rest, &last_detail);
        if (is_strange && rest->count == before)
            strange->at[strange->count++] = w->plan.literal[i];
    }
    if (error.stage == 0 && answered > 0)
        error = compare(w, job, row, first, wanted, &last_detail);
    free(wanted);
    if (error.stage == 0 && sv_clear(w, SIDE_SUBJECT) != 0)
        error = failed_at(SV_STAGE_REGION);
    return error;
}

static void settle_from(struct worker *w, struct sv_job *job, uint32_t row, uint32_t i, uint32_t cell,
                        enum side side, uint64_t cpu_us, uint32_t *last)
{
    uint32_t len;
    const char *text = sv_record_detail(w->memory[side].region, i, SV_DETAIL_MAX, &len);
    const struct sv_record *record = record_of(w, side, i);
    /* Only a judge says on whose word a pass rests; nobody else passes a cell here. */
    const uint8_t told = record->trust & (uint8_t) ~(SV_CERTAIN | SV_LEFT);
    const int less = told == SV_TRUST_VOUCHED || told == SV_TRUST_INLINE;
    enum sv_trust trust = side == SIDE_JUDGE && less ? (enum sv_trust)told : SV_TRUST_PROVEN;
    sv_settle_cell(job, row, cell, record->verdict, cpu_us, trust, text, len, last);
}

/* ---- channel ----------------------------------------------------------------------------------------- */

static void leave_out(struct worker *w, struct sv_job *job, uint32_t row, uint32_t i, uint32_t cell,
                      enum side side)
{
    uint32_t len;
    const char *why = sv_record_detail(w->memory[side].region, i, SV_DETAIL_MAX, &len);
    sv_leave_out(job, row, cell, why, len);
}

/* A subject's record of a cell in a channel run: does it say how the subject ended? */
static int says_why(const struct sv_record *record)
{
    return record->verdict > SV_ANSWERED && record->verdict <= SV_EARLY_EXIT;
}

static void close_both(int ends[2])
{
    sv_close_fd(&ends[0]);
    sv_close_fd(&ends[1]);
}

/* Runs `code` (indices into it from *start on) until a subject or a judge is lost; advances
 * *start past what was settled. *marks gets SV_CERTAIN and SV_LEFT of each. */
static struct sv_error judge_channel_once(struct worker *w, struct sv_job *job, uint32_t row,
                                          const struct cells *code, uint32_t *start, uint8_t *marks)
{
    struct running subject, judge;
    struct running *const runs[2] = {&subject, &judge};
    int there[2] = {-1, -1}, back[2] = {-1, -1};
    uint32_t i = *start, last = 0;
    if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) {
        const struct sv_error error = failed_at(SV_STAGE_FORK);
        close_both(there);
        return error;
    }
    sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], i, (int[2]){there[0], back[1]}, &subject);
    sv_start(w, SIDE_JUDGE, job, job->judge_zygote, i, (int[2]){back[0], there[1]}, &judge);
    close_both(there);
    close_both(back);
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
        marks[i] = j->trust & (SV_CERTAIN | SV_LEFT);
        if (j->verdict == SV_UNSPLIT)
            leave_out(w, job, row, i, code->at[i], SIDE_JUDGE);
        else if (j->verdict == SV_LOST && says_why(s))
            settle_from(w, job, row, i, code->at[i], SIDE_SUBJECT, s->cpu_us, &last);
        else if (j->verdict == SV_LOST && subject.result.done.outside == 0)
            sv_settle_cell(job, row, code->at[i], SV_EARLY_EXIT, s->cpu_us, SV_TRUST_PROVEN, hung_up,
                           sizeof hung_up - 1, &last);
        else if (j->verdict == SV_LOST || j->verdict == SV_INFRA)
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
        sv_settle_cell(job, row, code->at[i++], SV_EARLY_EXIT, 0, SV_TRUST_PROVEN, hung_up,
                       sizeof hung_up - 1, &last); /* a test that spoke for its judge */
    }
    *start = i;
    return (struct sv_error){0, 0};
}

static struct sv_error judge_channel(struct worker *w, struct sv_job *job, uint32_t row,
                                     const struct cells *code, uint8_t *marks)
{
    struct sv_error error = {0, 0};
    uint32_t start = 0;
    sv_prepare(w, SIDE_SUBJECT, SV_KIND_SERVE, code->count);
    sv_prepare(w, SIDE_JUDGE, SV_KIND_JUDGE, code->count);
    if (sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]) != 0)
        return failed_at(SV_STAGE_PAYLOAD);
    for (uint32_t i = 0; i < code->count; i++)
        if (sv_put_test(w, job, code->at[i]) != 0)
            return failed_at(SV_STAGE_PAYLOAD);
    while (start < code->count && error.stage == 0 && !sv_unwanted(job))
        error = judge_channel_once(w, job, row, code, &start, marks);
    if (error.stage == 0 && (sv_clear(w, SIDE_JUDGE) != 0 || sv_clear(w, SIDE_SUBJECT) != 0))
        error = failed_at(SV_STAGE_REGION);
    return error;
}

/* ---- together ---------------------------------------------------------------------------------------- */

static void make_hole(struct sv_job *job, uint32_t row, uint32_t cell)
{
    job->verdict[(size_t)row * job->cells + cell] = SV_INFRA;
    job->trust[(size_t)row * job->cells + cell] = SV_TRUST_NONE;
}

/* Whether this is a test that ended itself, with success (`jailed/rows.py`). */
static int has_left(const struct worker *w, uint32_t i)
{
    static const char left[] = "the test left by itself";
    uint32_t len;
    const char *text = sv_record_detail(w->memory[SIDE_SUBJECT].region, i, SV_DETAIL_MAX, &len);
    return record_of(w, SIDE_SUBJECT, i)->verdict == SV_EARLY_EXIT && len == sizeof left - 1 &&
           memcmp(text, left, len) == 0;
}

/* What fails apart has passed in one process: a pass with no more trust than that gives. */
static void hold_back(struct sv_job *job, uint32_t row, uint32_t cell)
{
    const size_t at = (size_t)row * job->cells + cell;
    if (job->verdict[at] == SV_INFRA || job->verdict[at] == SV_PASS)
        return;
    char detail[SV_DETAIL_MAX] = "in one process it passes: ";
    uint32_t len = (uint32_t)strlen(detail), last = 0;
    const uint32_t room = SV_DETAIL_MAX - len;
    uint32_t said = job->verdict[at] == SV_TIMEOUT
                        ? (uint32_t)snprintf(detail + len, room, "in two it ran out of time")
                        : sv_copy_detail(job, row, cell, detail + len, room);
    const uint64_t cpu_us = job->cpu_us[at] < job->limits.cpu_us ? job->cpu_us[at] : job->limits.cpu_us;
    sv_settle_cell(job, row, cell, SV_PASS, cpu_us, SV_TRUST_INLINE, detail, len + said, &last);
}

/* What one process says of a cell, beside what two have said. */
static void settle_together(struct worker *w, struct sv_job *job, uint32_t row, uint32_t i, uint32_t cell,
                            uint8_t marks)
{
    const size_t at = (size_t)row * job->cells + cell;
    const struct sv_record *record = record_of(w, SIDE_SUBJECT, i);
    const int left = has_left(w, i), passes_apart = job->verdict[at] == SV_PASS;
    uint32_t last = 0;
    if ((marks & SV_CERTAIN) != 0)
        return;
    if (record->verdict == SV_INFRA)
        make_hole(job, row, cell);
    else if (record->verdict == SV_UNSPLIT) { /* skipped, say: no verdict */
        make_hole(job, row, cell);
        leave_out(w, job, row, i, cell, SIDE_SUBJECT);
    } else if (record->verdict == SV_PASS || (left && (!passes_apart || (marks & SV_LEFT) != 0)))
        hold_back(job, row, cell);
    else if (passes_apart || job->verdict[at] == SV_INFRA)
        settle_from(w, job, row, i, cell, SIDE_SUBJECT, record->cpu_us, &last);
}

/* Runs `code` in one process with the solution. */
static struct sv_error judge_together(struct worker *w, struct sv_job *job, uint32_t row,
                                      const struct cells *code, const uint8_t *marks)
{
    struct running r;
    struct running *const runs[1] = {&r};
    struct sv_error error = {0, 0};
    uint32_t start = 0;
    sv_prepare(w, SIDE_SUBJECT, SV_KIND_CELLS, code->count);
    int failed = sv_put(w, SIDE_SUBJECT, job->row_blobs[row], job->row_lens[row]);
    for (uint32_t i = 0; failed == 0 && i < code->count; i++)
        failed = sv_put(w, SIDE_SUBJECT, job->cell_blobs[code->at[i]], job->cell_lens[code->at[i]]);
    if (failed != 0)
        error = failed_at(SV_STAGE_PAYLOAD);
    while (error.stage == 0 && start < code->count && !sv_unwanted(job)) {
        sv_start(w, SIDE_SUBJECT, job, job->row_zygotes[row], start, NULL, &r);
        sv_wait(w, runs, 1);
        sv_note_flood(w, SIDE_SUBJECT, &r);
        error = r.result.error;
        start = r.result.done.next;
    }
    for (uint32_t i = 0; error.stage == 0 && i < code->count && i < start; i++) {
        settle_together(w, job, row, i, code->at[i], marks[i]);
        sv_count(w->pool, &w->pool->statistics.both_ways);
    }
    if (error.stage == 0 && sv_clear(w, SIDE_SUBJECT) != 0)
        error = failed_at(SV_STAGE_REGION);
    return error;
}

/* ---- the row ------------------------------------------------------------------------------------------ */

static uint32_t holes_in(const struct sv_job *job, uint32_t row)
{
    uint32_t holes = 0;
    for (uint32_t i = 0; i < job->cells; i++)
        holes += job->verdict[(size_t)row * job->cells + i] == SV_INFRA &&
                 job->trust[(size_t)row * job->cells + i] == SV_TRUST_NONE;
    return holes;
}

/* Tests that could not be planned within their limits: their own failure, whatever the solution. */
static void settle_unplanned(struct worker *w, struct sv_job *job, uint32_t row)
{
    static const char why[] = "while the test was planned";
    uint32_t last = 0;
    for (uint32_t i = 0; i < job->cells; i++)
        if (w->plan.failed[i] != 0)
            sv_settle_cell(job, row, i, w->plan.failed[i], 0, SV_TRUST_PROVEN, why, sizeof why - 1, &last);
}

uint32_t sv_split_row(struct worker *w, struct sv_job *job, uint32_t row, struct sv_error *error)
{
    struct cells code = {calloc(job->cells, sizeof(uint32_t)), 0};
    struct cells strange = {calloc(job->cells, sizeof(uint32_t)), 0};
    uint8_t *marks = calloc(job->cells, 1), *no_marks = calloc(job->cells, 1);
    int alone = 0;
    *error = (struct sv_error){0, 0};
    if (code.at == NULL || strange.at == NULL || marks == NULL || no_marks == NULL)
        *error = (struct sv_error){SV_STAGE_PAYLOAD, ENOMEM};
    if (error->stage == 0)
        *error = sv_plan_ensure(w, job);
    if (error->stage == 0) {
        for (uint32_t i = 0, next = 0; i < w->plan.codes; i++) { /* those that nobody probes */
            while (next < w->plan.literals && w->plan.literal[next] < w->plan.code[i])
                next++;
            if (next == w->plan.literals || w->plan.literal[next] != w->plan.code[i])
                code.at[code.count++] = w->plan.code[i];
        }
        settle_unplanned(w, job, row);
        for (uint32_t first = 0; first < w->plan.literals && error->stage == 0;) {
            const int one_by_one = alone;
            uint32_t last = end_of_chunk(w, job, row, first);
            if (last == first) /* it fits beside no solution as long as this one */
                code.at[code.count++] = w->plan.literal[first++];
            else {
                last = one_by_one ? first + 1 : last;
                *error = judge_calls(w, job, row, first, last, &code, &strange, &alone);
                first = alone > one_by_one ? first : last;
            }
        }
    }
    if (error->stage == 0 && code.count > 0)
        *error = judge_channel(w, job, row, &code, marks);
    if (error->stage == 0 && code.count > 0)
        *error = judge_together(w, job, row, &code, marks);
    if (error->stage == 0 && strange.count > 0)
        *error = judge_together(w, job, row, &strange, no_marks);
    for (uint32_t i = 0; error->stage != 0 && i < code.count; i++)
        make_hole(job, row, code.at[i]);
    for (uint32_t i = 0; error->stage != 0 && i < strange.count; i++)
        make_hole(job, row, strange.at[i]);
    if (error->stage != 0) { /* leave nothing of a half-run phase for the next attempt */
        if (sv_clear(w, SIDE_SUBJECT) != 0 || sv_clear(w, SIDE_JUDGE) != 0)
            *error = failed_at(SV_STAGE_REGION);
    }
    free(code.at);
    free(strange.at);
    free(marks);
    free(no_marks);
    return holes_in(job, row);
}
