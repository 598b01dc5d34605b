/* region.c - the memory that carries one row, and the clocks.
 *
 * Writers before the row are trusted; after a subject ran, every length read here is hostile.
 */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

_Static_assert(offsetof(struct sv_region, records) == SV_PAGE, "the head fits on one page");

static uint64_t to_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

uint64_t sv_now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
        return 0; /* cannot fail on Linux with a valid pointer */
    return to_ns(&t);
}

uint64_t sv_cpu_ns(pid_t pid)
{
    /* The kernel's encoding of "CPU clock of process pid" (clock_getcpuclockid). */
    clockid_t clock = pid == 0 ? CLOCK_PROCESS_CPUTIME_ID : (clockid_t)((~(unsigned)pid << 3) | 2u);
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return UINT64_MAX;
    return to_ns(&t);
}

uint64_t sv_thread_cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
        return 0; /* cannot fail for the caller's own thread */
    return to_ns(&t);
}

int sv_region_put(struct sv_region *region, const void *bytes, size_t len)
{
    uint32_t at = region->payload_len;
    if (len > SV_PAYLOAD_BYTES - sizeof(uint32_t) || at > SV_PAYLOAD_BYTES - sizeof(uint32_t) - len) {
        errno = EMSGSIZE;
        return -1;
    }
    uint32_t len32 = (uint32_t)len;
    if (region->blobs % SV_INDEX_STEP == 0 && region->blobs / SV_INDEX_STEP < SV_INDEXED)
        region->blob_at[region->blobs / SV_INDEX_STEP] = at;
    memcpy(region->payload + at, &len32, sizeof len32);
    if (len > 0)
        memcpy(region->payload + at + sizeof len32, bytes, len);
    region->payload_len = at + (uint32_t)sizeof len32 + len32;
    region->blobs++;
    return 0;
}

int sv_region_get(const struct sv_region *region, uint32_t index, const char **bytes, uint32_t *len)
{
    const uint32_t payload_len = region->payload_len;
    uint32_t step = index / SV_INDEX_STEP < SV_INDEXED ? index / SV_INDEX_STEP : SV_INDEXED - 1;
    uint32_t at = region->blob_at[step]; /* a subject may have written there: checked like a length */
    if (index >= region->blobs || payload_len > SV_PAYLOAD_BYTES)
        goto bad;
    for (uint32_t i = step * SV_INDEX_STEP;; i++) {
        uint32_t blob_len;
        if ((uint64_t)at + sizeof blob_len > payload_len)
            goto bad;
        memcpy(&blob_len, region->payload + at, sizeof blob_len);
        at += (uint32_t)sizeof blob_len;
        if (blob_len > payload_len - at)
            goto bad;
        if (i == index) {
            *bytes = region->payload + at;
            *len = blob_len;
            return 0;
        }
        at += blob_len;
    }
bad:
    errno = EBADMSG;
    return -1;
}

static uint32_t in_pages(uint64_t bytes)
{
    return (uint32_t)((bytes + SV_PAGE - 1) / SV_PAGE * SV_PAGE);
}

static void raise_to(uint32_t *mark, uint32_t bytes)
{
    if (bytes > *mark)
        *mark = bytes;
}

int sv_region_reset(struct sv_region *region, int memfd, uint32_t cells, uint32_t payload_len,
                    struct sv_region_used *used)
{
    const uint32_t large = 64 * SV_PAGE; /* beyond this, wiping costs more than new pages */
    struct stat st;
    /* arena_len is the subject's word: what it denies, the page count below tells, and what it
     * makes up is wiped, and so there, before the pages are counted. */
    uint32_t arena = region->arena_len <= SV_ARENA_BYTES ? region->arena_len : SV_ARENA_BYTES;
    raise_to(&used->records, in_pages(cells * sizeof region->records[0]));
    raise_to(&used->arena, in_pages(arena));
    raise_to(&used->payload, in_pages(payload_len));
    const uint64_t honest = SV_PAGE + (uint64_t)used->records + used->arena + used->payload;
    if (used->arena <= large && used->payload <= large) {
        memset(region->records, 0, used->records);
        memset(region->arena, 0, used->arena);
        memset(region->payload, 0, used->payload);
        memset(region, 0, SV_PAGE);
        if (fstat(memfd, &st) != 0)
            return -1;
        if ((uint64_t)st.st_blocks * 512u <= honest)
            return 0;
    }
    memset(used, 0, sizeof *used);
    return fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof *region);
}

int sv_record_set(struct sv_region *region, uint32_t cell, enum sv_verdict verdict,
                   uint64_t cpu_us, const char *detail, size_t len)
{
    int fits = 1;
    if (cell >= SV_MAX_CELLS)
        return 0;
    struct sv_record *record = &region->records[cell];
    uint32_t at = region->arena_len;
    if (at > SV_ARENA_BYTES || len > SV_ARENA_BYTES - at) {
        len = 0; /* a verdict matters more than its explanation; an answer's writer is told */
        fits = 0;
    }
    if (len > 0) {
        memcpy(region->arena + at, detail, len);
        region->arena_len = at + (uint32_t)len;
    }
    record->detail_at = at;
    record->detail_len = (uint32_t)len;
    record->cpu_us = cpu_us > UINT32_MAX ? UINT32_MAX : (uint32_t)cpu_us;
    record->verdict = (uint8_t)verdict;
    return fits;
}

const char *sv_record_detail(const struct sv_region *region, uint32_t cell, uint32_t max,
                             uint32_t *len)
{
    const struct sv_record *record = &region->records[cell];
    uint32_t at = record->detail_at, n = record->detail_len;
    if (at > SV_ARENA_BYTES || n > SV_ARENA_BYTES - at)
        n = 0;
    if (n > max)
        n = max;
    *len = n;
    return n > 0 ? region->arena + at : "";
}
