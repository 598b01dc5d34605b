/* pages.c - the writable memory of a recycled subject: copied once, put back after each row.
 *
 * In: a stopped process.  Out: its memory as it was when the copy was taken. The kernel says which
 * pages were written (userfaultfd's asynchronous write protection and the ioctl PAGEMAP_SCAN, Linux
 * 6.7), never the process. Invariants: the copy lies in this process, out of the other's reach; no
 * mapping can come, go or change meanwhile, because the other's filter has no call that could, and its
 * stack is as long as it may be.
 *
 * A page that was written is put back and protected again, and the next write to it costs a fault. So
 * pages that most rows write are put back after each row, and not protected any more (`hot`).
 */
#define _GNU_SOURCE
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kernel ABI that is newer than the headers we may be built with. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC (1ull << 15)
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
#define FOUND 512
#define BATCH 1024          /* IOV_MAX */
#define LEARNING_ROWS 32u   /* until we know which pages are hot: written by a fourth of these */
#define HOT_SHARE 4u
#define LISTING (256u << 10)

struct span { /* adjacent writable mappings */
    uint64_t start, end;
    char *copy;
};

struct sv_pages {
    pid_t pid;
    int watch, pagemap;
    struct span spans[SPANS];
    size_t count;
    char *copy; /* of all spans, one after another; pages of zeros take no memory */
    size_t bytes;
    uint8_t *written;  /* per page: by how many of the rows we learn from */
    uint8_t *hot;      /* per page */
    uint32_t rows;
    struct iovec *here, *there; /* hot pages, in runs */
    size_t hot_runs, hot_bytes;
    char maps[LISTING];         /* when the copy was taken */
    char now[LISTING];
};

int sv_pages_watch(void)
{
    struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) != 0) {
        const int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* ---- mappings ------------------------------------------------------------------------------------- */

/* A file of /proc, as a string. 0, or -1 with errno. */
static int read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    size_t len = 0;
    ssize_t n = 1;
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
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

/* The writable mappings; -1 with errno where there is one that we cannot put back. */
static int find_spans(struct sv_pages *pages, uint64_t shared, uint64_t shared_len)
{
    for (const char *line = pages->maps; *line != '\0'; line = strchr(line, '\n') + 1) {
        unsigned long start, end;
        char kind[5];
        if (strchr(line, '\n') == NULL || sscanf(line, "%lx-%lx %4s", &start, &end, kind) != 3) {
            errno = EPROTO;
            return -1;
        }
        if (kind[1] != 'w' || (start == shared && end == shared + shared_len))
            continue;
        if (kind[3] != 'p') { /* memory shared with somebody */
            errno = ENOTSUP;
            return -1;
        }
        struct span *last = pages->count > 0 ? &pages->spans[pages->count - 1] : NULL;
        if (last != NULL && last->end == start) {
            last->end = end;
        } else if (pages->count == SPANS) {
            errno = E2BIG;
            return -1;
        } else {
            pages->spans[pages->count++] = (struct span){start, end, NULL};
        }
        pages->bytes += end - start;
    }
    return 0;
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

/* All runs, whatever their number; 0, or -1 with errno. */
static int write_runs(pid_t pid, const struct iovec *here, const struct iovec *there, size_t runs)
{
    for (size_t at = 0; at < runs;) {
        const size_t n = runs - at < BATCH ? runs - at : BATCH;
        size_t wanted = 0;
        for (size_t i = at; i < at + n; i++)
            wanted += here[i].iov_len;
        const ssize_t done = process_vm_writev(pid, here + at, n, there + at, n, 0);
        if (done < 0)
            return -1;
        if ((size_t)done != wanted) {
            errno = EFAULT;
            return -1;
        }
        at += n;
    }
    return 0;
}

static int read_memory(pid_t pid, uint64_t from, void *to, size_t len)
{
    const struct iovec here = {to, len}, there = {(void *)(uintptr_t)from, len};
    const ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (n >= 0 && (size_t)n != len)
        errno = EFAULT;
    return n == (ssize_t)len ? 0 : -1;
}

static char bounce[64 * SV_PAGE];

/* Calls what is given for each page of a span: with its bytes now, and their place in the copy. Sums up. */
static long each_page(const struct sv_pages *pages, const struct span *span,
                      int (*what)(const char *now, char *copy))
{
    long sum = 0;
    for (uint64_t at = span->start; at < span->end;) {
        const size_t len = span->end - at < sizeof bounce ? (size_t)(span->end - at) : sizeof bounce;
        if (read_memory(pages->pid, at, bounce, len) != 0)
            return -1;
        for (size_t i = 0; i < len; i += SV_PAGE)
            sum += what(bounce + i, span->copy + (at - span->start) + i);
        at += len;
    }
    return sum;
}

static int keep(const char *now, char *copy)
{
    static const char zeros[SV_PAGE];
    if (memcmp(now, zeros, SV_PAGE) != 0) /* else nothing is written, and no memory taken */
        memcpy(copy, now, SV_PAGE);
    return 0;
}

static int differs(const char *now, char *copy)
{
    return memcmp(now, copy, SV_PAGE) != 0;
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
        if (ioctl(pages->watch, UFFDIO_REGISTER, &watched) != 0 || each_page(pages, span, keep) < 0 ||
            protect_all(pages, span) != 0)
            return -1;
    }
    return 0;
}

struct sv_pages *sv_pages_take(pid_t pid, int watch, const void *shared, size_t shared_len)
{
    char path[64];
    struct sv_pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL)
        return NULL;
    pages->pid = pid;
    pages->watch = watch;
    (void)snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    pages->pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (pages->pagemap < 0 || read_proc(pid, "maps", pages->maps, sizeof pages->maps) != 0 ||
        find_spans(pages, (uint64_t)(uintptr_t)shared, shared_len) != 0)
        return NULL; /* whoever asks ends with it, and so does what was opened */
    const size_t n = pages->bytes / SV_PAGE;
    pages->written = calloc(n, 1);
    pages->hot = calloc(n, 1);
    pages->here = calloc(n + FOUND, sizeof *pages->here);
    pages->there = calloc(n + FOUND, sizeof *pages->there);
    if (pages->written == NULL || pages->hot == NULL || pages->here == NULL || pages->there == NULL ||
        copy_all(pages) != 0)
        return NULL;
    /* As it shows now that writes are noted. */
    return read_proc(pid, "maps", pages->maps, sizeof pages->maps) == 0 ? pages : NULL;
}

/* ---- after a row ---------------------------------------------------------------------------------- */

/* Adds pages to a list of runs; returns its new length. */
static size_t add_run(struct sv_pages *pages, size_t runs, char *copy, uint64_t at, size_t len)
{
    struct iovec *here = pages->here, *there = pages->there;
    if (runs > pages->hot_runs && (char *)here[runs - 1].iov_base + here[runs - 1].iov_len == copy &&
        (uint64_t)(uintptr_t)there[runs - 1].iov_base + there[runs - 1].iov_len == at) {
        here[runs - 1].iov_len += len;
        there[runs - 1].iov_len += len;
        return runs;
    }
    here[runs] = (struct iovec){copy, len};
    there[runs] = (struct iovec){(void *)(uintptr_t)at, len};
    return runs + 1;
}

/* Adds the pages of a stretch that are not hot to the runs behind those that are. */
static size_t add_found(struct sv_pages *pages, const struct span *span, const struct region_found *found,
                        size_t runs)
{
    for (uint64_t at = found->start; at < found->end; at += SV_PAGE) {
        char *copy = span->copy + (at - span->start);
        const size_t page = (size_t)(copy - pages->copy) / SV_PAGE;
        if (pages->hot[page])
            continue;
        pages->written[page] += pages->rows < LEARNING_ROWS;
        runs = add_run(pages, runs, copy, at, SV_PAGE);
    }
    return runs;
}

/* From now on hot pages are put back unasked. */
static void learn(struct sv_pages *pages)
{
    size_t runs = 0;
    for (size_t i = 0; i < pages->count; i++)
        for (uint64_t at = pages->spans[i].start; at < pages->spans[i].end; at += SV_PAGE) {
            char *copy = pages->spans[i].copy + (at - pages->spans[i].start);
            const size_t page = (size_t)(copy - pages->copy) / SV_PAGE;
            pages->hot[page] = pages->written[page] >= LEARNING_ROWS / HOT_SHARE;
            if (pages->hot[page])
                runs = add_run(pages, runs, copy, at, SV_PAGE);
        }
    pages->hot_runs = runs;
}

int sv_pages_put_back(struct sv_pages *pages)
{
    static struct region_found found[FOUND];
    size_t runs = pages->hot_runs;
    for (size_t i = 0; i < pages->count; i++) {
        const struct span *span = &pages->spans[i];
        for (uint64_t at = span->start; at < span->end;) {
            const long n = written_in(pages, span, &at, found);
            if (n < 0)
                return -1;
            for (long k = 0; k < n; k++)
                runs = add_found(pages, span, &found[k], runs);
        }
    }
    if (write_runs(pages->pid, pages->here, pages->there, runs) != 0)
        return -1;
    for (size_t i = pages->hot_runs; i < runs; i++) {
        const uint64_t start = (uint64_t)(uintptr_t)pages->there[i].iov_base;
        if (protect(pages, start, start + pages->there[i].iov_len) != 0)
            return -1;
    }
    if (++pages->rows == LEARNING_ROWS)
        learn(pages);
    return 0;
}

int sv_pages_change(struct sv_pages *pages, const void *at, const void *bytes, size_t len)
{
    const uint64_t start = (uint64_t)(uintptr_t)at;
    for (size_t i = 0; i < pages->count; i++) {
        const struct span *span = &pages->spans[i];
        if (start < span->start || start + len > span->end)
            continue;
        const struct iovec here = {(void *)(uintptr_t)bytes, len}, there = {(void *)(uintptr_t)at, len};
        memcpy(span->copy + (start - span->start), bytes, len);
        return write_runs(pages->pid, &here, &there, 1);
    }
    errno = EFAULT;
    return -1;
}

long sv_pages_differ(struct sv_pages *pages)
{
    long sum = 0;
    for (size_t i = 0; i < pages->count; i++) {
        const long n = each_page(pages, &pages->spans[i], differs);
        if (n < 0)
            return -1;
        sum += n;
    }
    if (read_proc(pages->pid, "maps", pages->now, sizeof pages->now) != 0)
        return -1;
    return sum + (strcmp(pages->maps, pages->now) != 0);
}
