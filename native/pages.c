/* pages.c - the writable memory of a recycled subject: copied once, put back after each row.
 *
 * In: a stopped process.  Out: its memory as it was when the copy was taken. The kernel says which
 * pages were written (userfaultfd's asynchronous write protection and the ioctl PAGEMAP_SCAN, Linux
 * 6.7), never the process. Invariants: the copy lies in this process, out of the other's reach; what this
 * process reads of the other is compared at most; no mapping can come, go or change meanwhile, because the
 * other's filter has no call that could, and its stack is as long as it may be.
 *
 * The copy need not hold what is the same in a process that was forked before the other one, and never
 * runs on: there it is still shared with everybody who was forked from the zygote.
 *
 * A page that was written is put back and protected again, and the next write to it costs a fault. So
 * pages that most rows write (`hot`) are not protected any more, and put back before each row, by the
 * process itself: it copies what is listed in memory that it can only read (recycled.c), with registers
 * that were put back, and touches nothing else until it has. One page must be as it was before that, the
 * one from which the kernel reads where to jump when it takes the processor away (rseq): it is never hot.
 */
#define _GNU_SOURCE
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kernel ABI that is newer than the headers we may be built with. */
#define PAGE_WRITTEN (1ull << 1)
#define SCAN_PROTECT 1ull       /* PM_SCAN_WP_MATCHING */
#define SCAN_CHECK_ASYNC 2ull   /* PM_SCAN_CHECK_WPASYNC: fail where writes are not noted */
struct scan {
    uint64_t size, flags, start, end, walk_end, found, found_len, max_pages, inverted, mask, anyof, returned;
};
struct region_found {
    uint64_t start, end, categories;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan)

#define SPANS 128
#define FOUND 32            /* the kernel clears a buffer for so many in every call */
#define BATCH 1024          /* IOV_MAX */
#define LEARNING_ROWS 64u   /* until we know which pages are hot: written by a sixteenth of these */
#define HOT_SHARE 16u
#define BOUNCE (64u * SV_PAGE)
#define LISTING (256u << 10)

static const char zeros[SV_PAGE];

struct span { /* adjacent writable mappings */
    uint64_t start, end;
    char *copy;
};

struct run { /* adjacent pages */
    uint64_t at;
    size_t len;
    char *copy;
};

struct sv_pages {
    pid_t pid;
    char who[16]; /* the same in /proc */
    int watch, pagemap, memory;
    struct span spans[SPANS];
    size_t count;
    char *copy; /* of all spans, one after another; pages of zeros take no memory */
    size_t bytes;
    uint8_t *written;  /* per page: by how many of the rows we learn from */
    uint8_t *hot;      /* per page */
    uint8_t *elsewhere; /* per page: not in `copy`, for it is as in the reference */
    int reference;      /* memory of a process that never runs on, of which most pages are still shared */
    uint32_t rows;
    struct run *runs; /* of the row */
    struct sv_hot *list; /* the hot pages, as the process finds them at `list_there` */
    uint64_t list_there, rseq;
    size_t hot_pages;
    struct region_found found[FOUND];
    struct iovec here[BATCH], there[BATCH];
    char bounce[BOUNCE], same[BOUNCE];
    char maps[LISTING]; /* when the copy was taken */
    char now[LISTING];
};

int sv_read_proc(const char *who, const char *name, char *text, size_t size)
{
    char path[64];
    size_t len = 0;
    ssize_t n = 1;
    (void)snprintf(path, sizeof path, "/proc/%s/%s", who, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (n > 0 && len < size - 1) {
        n = read(fd, text + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    const int saved = n < 0 ? errno : n > 0 ? EFBIG : 0;
    text[len] = '\0';
    close(fd);
    errno = saved;
    return saved == 0 ? 0 : -1;
}

/* ---- mappings ------------------------------------------------------------------------------------- */

/* The writable mappings but the region; -1 with errno where there is one that we cannot put back. */
static int find_spans(struct sv_pages *pages, uint64_t region, uint64_t region_len)
{
    for (const char *line = pages->maps; *line != '\0'; line = strchr(line, '\n') + 1) {
        unsigned long start, end, offset;
        char kind[5], name[64] = "";
        if (strchr(line, '\n') == NULL ||
            sscanf(line, "%lx-%lx %4s %lx %*s %*s%63[^\n]", &start, &end, kind, &offset, name) < 4) {
            errno = EPROTO;
            return -1;
        }
        if (strcmp(kind, "r--s") == 0 && strstr(name, "/memfd:sv-recycled") != NULL)
            pages->list_there = start;
        if (kind[1] != 'w' || (start == region && end == region + region_len))
            continue;
        struct span *last = pages->count > 0 ? &pages->spans[pages->count - 1] : NULL;
        if (kind[3] == 's') { /* memory shared with somebody */
            errno = ENOTSUP;
            return -1;
        }
        if (last != NULL && last->end == start) {
            last->end = end;
        } else if (pages->count == SPANS) {
            errno = E2BIG;
            return -1;
        } else {
            pages->spans[pages->count++] = (struct span){.start = start, .end = end};
        }
        pages->bytes += end - start;
    }
    errno = ENOTSUP;
    return pages->list_there != 0 ? 0 : -1;
}

/* ---- scanning ------------------------------------------------------------------------------------- */

/* Protects every page of a span that is not protected. */
static int protect_all(const struct sv_pages *pages, const struct span *span)
{
    struct scan scan = {.size = sizeof scan,
                        .flags = SCAN_PROTECT | SCAN_CHECK_ASYNC,
                        .start = span->start,
                        .end = span->end,
                        .mask = PAGE_WRITTEN,
                        .returned = PAGE_WRITTEN};
    while (scan.start < span->end) {
        if (ioctl(pages->pagemap, SCAN_IOCTL, &scan) < 0)
            return -1;
        if (scan.walk_end <= scan.start) {
            errno = EPROTO;
            return -1;
        }
        scan.start = scan.walk_end;
    }
    return 0;
}

/* The next written pages of a span from *at on; advances it. How many stretches, or -1 with errno. (With
 * this one category asked for, the kernel takes a fast path; pages swapped out are in it.) */
static long written_in(const struct sv_pages *pages, const struct span *span, uint64_t *at,
                       struct region_found found[FOUND])
{
    struct scan scan = {.size = sizeof scan,
                        .start = *at,
                        .end = span->end,
                        .found = (uint64_t)(uintptr_t)found,
                        .found_len = FOUND,
                        .mask = PAGE_WRITTEN,
                        .returned = PAGE_WRITTEN};
    const long n = ioctl(pages->pagemap, SCAN_IOCTL, &scan);
    if (n >= 0 && scan.walk_end <= *at) {
        errno = EPROTO;
        return -1;
    }
    *at = scan.walk_end;
    return n;
}

static int protect(const struct sv_pages *pages, uint64_t start, uint64_t end)
{
    struct uffdio_writeprotect wp = {.range = {start, end - start}, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    return ioctl(pages->watch, UFFDIO_WRITEPROTECT, &wp);
}

/* ---- copying -------------------------------------------------------------------------------------- */

static int write_memory(pid_t pid, const struct iovec *here, const struct iovec *there, size_t n)
{
    size_t wanted = 0;
    for (size_t i = 0; i < n; i++)
        wanted += here[i].iov_len;
    const ssize_t done = n > 0 ? process_vm_writev(pid, here, n, there, n, 0) : 0;
    if (done >= 0 && (size_t)done != wanted)
        errno = EFAULT;
    return done == (ssize_t)wanted ? 0 : -1;
}

/* Writes the copy over the first runs. 0, or -1 with errno. */
static int write_runs(struct sv_pages *pages, size_t runs)
{
    struct iovec *here = pages->here, *there = pages->there;
    size_t n = 0;
    for (size_t i = 0; i < runs; i++) {
        const struct run *run = &pages->runs[i];
        if (n == BATCH) {
            if (write_memory(pages->pid, here, there, n) != 0)
                return -1;
            n = 0;
        }
        here[n] = (struct iovec){run->copy, run->len};
        there[n++] = (struct iovec){(void *)(uintptr_t)run->at, run->len};
    }
    return write_memory(pages->pid, here, there, n);
}

int sv_pages_read(pid_t pid, uint64_t from, void *to, size_t len)
{
    const struct iovec here = {to, len}, there = {(void *)(uintptr_t)from, len};
    const ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (n >= 0 && (size_t)n != len)
        errno = EFAULT;
    return n == (ssize_t)len ? 0 : -1;
}

/* The place of an address in the copy, counted in pages. */
static size_t page_of(const struct sv_pages *pages, const struct span *span, uint64_t at)
{
    return (size_t)(span->copy + (at - span->start) - pages->copy) / SV_PAGE;
}

static int read_reference(const struct sv_pages *pages, uint64_t from, void *to, size_t len)
{
    return pread(pages->reference, to, len, (off_t)from) == (ssize_t)len ? 0 : -1;
}

/* Puts a page into the copy that was only in the reference. 0, or -1 with errno. */
static int fetch(struct sv_pages *pages, const struct span *span, uint64_t at)
{
    const size_t page = page_of(pages, span, at);
    if (pages->elsewhere[page] && read_reference(pages, at, pages->copy + page * SV_PAGE, SV_PAGE) != 0)
        return -1;
    pages->elsewhere[page] = 0;
    return 0;
}

/* Keeps a page as it is now. */
static void keep(struct sv_pages *pages, size_t page, const char *now, const char *same)
{
    if (memcmp(now, zeros, SV_PAGE) == 0)
        return; /* nothing is written, and no memory taken */
    if (same != NULL && memcmp(now, same, SV_PAGE) == 0)
        pages->elsewhere[page] = 1;
    else
        memcpy(pages->copy + page * SV_PAGE, now, SV_PAGE);
}

/* Not process_vm_readv, which would give it pages of its own. */
static int read_now(const struct sv_pages *pages, uint64_t from, void *to, size_t len)
{
    return pread(pages->memory, to, len, (off_t)from) == (ssize_t)len ? 0 : -1;
}

static int copy_span(struct sv_pages *pages, const struct span *span)
{
    for (uint64_t at = span->start; at < span->end;) {
        const size_t len = span->end - at < BOUNCE ? (size_t)(span->end - at) : BOUNCE;
        if (read_now(pages, at, pages->bounce, len) != 0)
            return -1;
        const int both = read_reference(pages, at, pages->same, len) == 0; /* it may have less */
        for (size_t i = 0; i < len; i += SV_PAGE)
            keep(pages, page_of(pages, span, at + i), pages->bounce + i, both ? pages->same + i : NULL);
        at += len;
    }
    return 0;
}

/* Takes over, from the page as it was kept, on which processor it ran: the kernel keeps that up to date. */
static void forgive(const struct sv_pages *pages, const char *kept, char *now)
{
    const size_t at = pages->rseq % SV_PAGE;
    memcpy(now + at, kept + at, 8);            /* cpu_id_start, cpu_id; behind them is rseq_cs */
    memcpy(now + at + 20, kept + at + 20, 8); /* node_id, mm_cid */
}

/* How many pages of a span are not as they were kept, or -1 with errno. */
static long differ(struct sv_pages *pages, const struct span *span)
{
    long sum = 0;
    for (uint64_t at = span->start; at < span->end; at += SV_PAGE) {
        const size_t page = page_of(pages, span, at);
        const char *kept = pages->elsewhere[page] ? pages->same : pages->copy + page * SV_PAGE;
        if (read_now(pages, at, pages->bounce, SV_PAGE) != 0 ||
            (pages->elsewhere[page] && read_reference(pages, at, pages->same, SV_PAGE) != 0))
            return -1;
        if (at == pages->rseq / SV_PAGE * SV_PAGE)
            forgive(pages, kept, pages->bounce);
        sum += memcmp(pages->bounce, kept, SV_PAGE) != 0;
    }
    return sum;
}

static int copy_all(struct sv_pages *pages)
{
    pages->copy = mmap(NULL, pages->bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages->copy == MAP_FAILED)
        return -1;
    char *copy = pages->copy;
    for (size_t i = 0; i < pages->count; i++) {
        struct span *span = &pages->spans[i];
        struct uffdio_register watched = {.range = {span->start, span->end - span->start},
                                          .mode = UFFDIO_REGISTER_MODE_WP};
        span->copy = copy;
        copy += span->end - span->start;
        if (ioctl(pages->watch, UFFDIO_REGISTER, &watched) != 0 || copy_span(pages, span) != 0 ||
            protect_all(pages, span) != 0)
            return -1;
    }
    return 0;
}

struct sv_pages *sv_pages_take(pid_t pid, int watch, struct sv_hot *list, pid_t reference, const void *region,
                               size_t region_len)
{
    char path[64];
    struct sv_pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL)
        return NULL;
    pages->pid = pid;
    pages->watch = watch;
    pages->list = list;
    pages->rseq = sv_registers_rseq(pid);
    (void)snprintf(pages->who, sizeof pages->who, "%d", (int)pid);
    (void)snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    pages->pagemap = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    pages->memory = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)reference);
    pages->reference = open(path, O_RDONLY | O_CLOEXEC);
    if (pages->pagemap < 0 || pages->memory < 0 || pages->reference < 0 ||
        sv_read_proc(pages->who, "maps", pages->maps, sizeof pages->maps) != 0 ||
        find_spans(pages, (uint64_t)(uintptr_t)region, region_len) != 0)
        return NULL; /* whoever asks ends with it, and so does what was opened */
    const size_t n = pages->bytes / SV_PAGE;
    pages->written = calloc(n, 1);
    pages->hot = calloc(n, 1);
    pages->elsewhere = calloc(n, 1);
    pages->runs = calloc(n, sizeof *pages->runs);
    if (pages->written == NULL || pages->hot == NULL || pages->elsewhere == NULL || pages->runs == NULL ||
        copy_all(pages) != 0)
        return NULL;
    /* As it shows now that writes are noted. */
    return sv_read_proc(pages->who, "maps", pages->maps, sizeof pages->maps) == 0 ? pages : NULL;
}

/* ---- after a row ---------------------------------------------------------------------------------- */

/* Adds a page to the runs; returns their new number. */
static size_t add_page(struct sv_pages *pages, size_t runs, const struct span *span, uint64_t at)
{
    char *copy = span->copy + (at - span->start);
    struct run *last = runs > 0 ? &pages->runs[runs - 1] : NULL;
    if (last != NULL && last->at + last->len == at && last->copy + last->len == copy) {
        last->len += SV_PAGE;
        return runs;
    }
    pages->runs[runs] = (struct run){at, SV_PAGE, copy};
    return runs + 1;
}

/* Adds the pages of a stretch that are not hot. 0, or -1 with errno. */
static int add_found(struct sv_pages *pages, const struct span *span, const struct region_found *found,
                     size_t *runs)
{
    for (uint64_t at = found->start; at < found->end; at += SV_PAGE) {
        const size_t page = page_of(pages, span, at);
        if (pages->hot[page])
            continue;
        if (fetch(pages, span, at) != 0)
            return -1;
        pages->written[page] += pages->rows < LEARNING_ROWS;
        *runs = add_page(pages, *runs, span, at);
    }
    return 0;
}

/* Lists the hot pages anew, for the process to copy. 0, or -1 with errno. */
static int publish(struct sv_pages *pages)
{
    struct sv_hot_run *run = NULL, *next = pages->list->runs;
    const uint64_t last_word = pages->list->last_word;
    size_t n = 0;
    for (size_t i = 0; i < pages->count; i++) {
        const struct span *span = &pages->spans[i];
        for (uint64_t at = span->start; at < span->end; at += SV_PAGE) {
            const size_t page = page_of(pages, span, at);
            if (!pages->hot[page])
                continue;
            if (fetch(pages, span, at) != 0)
                return -1;
            memcpy(pages->list->pages[n], pages->copy + page * SV_PAGE, SV_PAGE);
            if (run == NULL || run->to + run->words * sizeof(uint64_t) != at) {
                run = next++;
                *run = (struct sv_hot_run){.to = at};
                run->from = pages->list_there + offsetof(struct sv_hot, pages) + n * SV_PAGE;
            }
            run->words += SV_PAGE / sizeof(uint64_t);
            n++;
        }
    }
    *next = (struct sv_hot_run){.to = last_word};
    return 0;
}

/* Which pages are hot from now on. 0, or -1 with errno. */
static int learn(struct sv_pages *pages)
{
    for (size_t i = 0; i < pages->count; i++) {
        const struct span *span = &pages->spans[i];
        for (uint64_t at = span->start; at < span->end; at += SV_PAGE) {
            const size_t page = page_of(pages, span, at);
            pages->hot[page] = pages->written[page] >= LEARNING_ROWS / HOT_SHARE &&
                               pages->hot_pages < SV_HOT_PAGES && at != pages->rseq / SV_PAGE * SV_PAGE;
            pages->hot_pages += pages->hot[page];
        }
    }
    return publish(pages);
}

long sv_pages_put_back(struct sv_pages *pages)
{
    struct region_found *found = pages->found;
    size_t runs = 0, bytes = pages->hot_pages * SV_PAGE;
    for (size_t i = 0; i < pages->count; i++) {
        const struct span *span = &pages->spans[i];
        for (uint64_t at = span->start; at < span->end;) {
            const long n = written_in(pages, span, &at, found);
            if (n < 0)
                return -1;
            for (long k = 0; k < n; k++)
                if (add_found(pages, span, &found[k], &runs) != 0)
                    return -1;
        }
    }
    if (write_runs(pages, runs) != 0)
        return -1;
    for (size_t i = 0; i < runs; i++)
        if (protect(pages, pages->runs[i].at, pages->runs[i].at + pages->runs[i].len) != 0)
            return -1;
    for (size_t i = 0; i < runs; i++)
        bytes += pages->runs[i].len;
    if (++pages->rows == LEARNING_ROWS && learn(pages) != 0)
        return -1;
    return (long)(bytes / SV_PAGE);
}

int sv_pages_change(struct sv_pages *pages, const void *at, const void *bytes, size_t len)
{
    const uint64_t start = (uint64_t)(uintptr_t)at;
    for (size_t i = 0; i < pages->count; i++) {
        const struct span *span = &pages->spans[i];
        if (start < span->start || start + len > span->end)
            continue;
        const struct iovec here = {(void *)(uintptr_t)bytes, len}, there = {(void *)(uintptr_t)at, len};
        for (uint64_t page = start / SV_PAGE * SV_PAGE; page < start + len; page += SV_PAGE)
            if (fetch(pages, span, page) != 0)
                return -1;
        memcpy(span->copy + (start - span->start), bytes, len);
        return write_memory(pages->pid, &here, &there, 1) == 0 ? publish(pages) : -1;
    }
    errno = EFAULT;
    return -1;
}

long sv_pages_differ(struct sv_pages *pages)
{
    long sum = 0;
    for (size_t i = 0; i < pages->count; i++) {
        const long n = differ(pages, &pages->spans[i]);
        if (n < 0)
            return -1;
        sum += n;
    }
    if (sv_read_proc(pages->who, "maps", pages->now, sizeof pages->now) != 0)
        return -1;
    return sum + (strcmp(pages->maps, pages->now) != 0);
}
