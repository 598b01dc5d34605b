/* recycled.c - what a subject that is to be recycled does before its first row.
 *
 * In: a fork of its keeper (keeper.c).  Out: it rehearses, parks, and from then on is put back after each
 * row. Its memory lies in a file that its keeper maps as well, but for its stack and for what nobody has
 * written since the zygote was forked, which stays shared with everybody; neither stack nor heap can grow
 * any more, and its last filter lets a few harmless calls through.
 */
#define _GNU_SOURCE
#include "template.h"

#if defined(__x86_64__)
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Kernel ABI that is newer than the headers we may be built with. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC (1ull << 15)

#define MEMORY_FD 3 /* until it is parked */
/* Room for what short rows need, and more is a forked subject's. */
#define STACK_BYTES (1ul << 20)
#define HEAP_BYTES (4ul << 20)
#define LISTING (96u << 10)
#define PIECES 256u
#define PAGE_PRESENT (1ull << 63)
#define PAGE_EXCLUSIVE (1ull << 56) /* nobody else maps it */
/* A shorter stretch of shared pages moves with those around it: each one left is a mapping more. */
#define GAP_BYTES (GAP * SV_PAGE)
#ifndef GAP
#define GAP 2ull
#endif

static const char zeros[SV_PAGE];

/* Its stack, as long as it may be from now on. 0, or -1 with errno. */
static int grow_stack(void)
{
    char line[512];
    unsigned long start = 0, end = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return -1;
    while (end == 0 && fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, "[stack]") != NULL && sscanf(line, "%lx-%lx", &start, &end) != 2)
            end = 0;
    (void)fclose(maps);
    if (end == 0 || end - start > STACK_BYTES) {
        errno = ENOTSUP;
        return -1;
    }
    volatile char *lowest = (volatile char *)(end - STACK_BYTES); // NOLINT: an address of the kernel's
    *lowest = 0;
    return sv_limit(RLIMIT_STACK, STACK_BYTES, 0);
}

/* Free memory at the end of the heap, which stays there. */
static int grow_heap(void)
{
    if (mallopt(M_MMAP_THRESHOLD, 32 << 20) != 1 || mallopt(M_TRIM_THRESHOLD, 1 << 30) != 1) {
        errno = EINVAL;
        return -1;
    }
    void *room = malloc(HEAP_BYTES);
    if (room == NULL)
        return -1;
    free(room);
    return 0;
}

/* A userfaultfd of ours, for the keeper. -1 with errno. */
static int watch_pages(void)
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

static _Noreturn void fail(int report)
{
    const struct sv_error error = {SV_STAGE_RECYCLE_REHEARSAL, errno};
    (void)sv_send(report, &error, sizeof error, NULL, 0);
    _exit(126);
}

void sv_become_recycled(struct sv_template_state *state, int file, int report)
{
    const struct sv_error well = {0, 0};
    sigset_t none;
    char go;
    (void)sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 || prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_NAME, "sv-recycled", 0, 0, 0) != 0)
        fail(report);
    for (int i = 0; i < 3; i++)
        if (dup2(state->stdio[i], i) < 0)
            fail(report);
    const int watch = watch_pages();
    if (watch < 0 || sv_fault_at(&state->fault, SV_STAGE_RECYCLE_REHEARSAL) != 0 ||
        sv_send(report, &well, sizeof well, &watch, 1) != 0)
        fail(report);
    if (sv_recv(report, &go, sizeof go, NULL, 0) != 1 || dup2(file, MEMORY_FD) != MEMORY_FD ||
        syscall(SYS_close_range, MEMORY_FD + 1, ~0u, 0) != 0 ||
        grow_stack() != 0 || grow_heap() != 0)
        _exit(126);
    state->recycled = 1;
    state->control = state->scratch_fd = -1;
}

/* ---- parking -------------------------------------------------------------------------------------- */

/* Is a page still shared with the process that this one was forked from? */
static int is_shared(int pagemap, uint64_t at)
{
    uint64_t entry;
    return pread(pagemap, &entry, sizeof entry, (off_t)(at / SV_PAGE * sizeof entry)) == (ssize_t)sizeof entry &&
           (entry & (PAGE_PRESENT | PAGE_EXCLUSIVE)) == PAGE_PRESENT &&
           memcmp((const void *)(uintptr_t)at, zeros, SV_PAGE) != 0;
}

/* Puts pages into the file, where zeros take no memory, and the file in their place. 0, or -1 with errno. */
static int move_pages(int file, uint64_t start, uint64_t end, uint64_t offset)
{
    void *there = (void *)(uintptr_t)start;
    for (uint64_t at = start; at < end; at += SV_PAGE) {
        const void *page = (const void *)(uintptr_t)at;
        if (memcmp(page, zeros, SV_PAGE) != 0 &&
            pwrite(file, page, SV_PAGE, (off_t)(offset + (at - start))) != (ssize_t)SV_PAGE)
            return -1;
    }
    return mmap(there, (size_t)(end - start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                (off_t)offset) == there ? 0 : -1;
}

/* Moves a mapping, but for what is shared still. 0, or -1 with errno. */
static int move_mapping(int file, int pagemap, uint64_t start, uint64_t end, uint64_t offset)
{
    uint64_t from = start, to = start; /* not moved yet */
    for (uint64_t at = start; at < end; at += SV_PAGE) {
        if (is_shared(pagemap, at))
            continue;
        if (to > from && at - to > GAP_BYTES) {
            if (move_pages(file, from, to, offset + (from - start)) != 0)
                return -1;
            to = from;
        }
        if (to == from)
            from = at;
        to = at + SV_PAGE;
    }
    return to == from ? 0 : move_pages(file, from, to, offset + (from - start));
}

/* Moves what is writable to the file, but the stack. 0, or -1 with errno. */
static int move_memory(int file)
{
    char maps[LISTING]; /* on the stack, like all that is written to here */
    struct {
        uint64_t start, end, offset;
    } pieces[PIECES];
    size_t count = 0;
    uint64_t bytes = 0;
    if (sv_read_proc("self", "maps", maps, sizeof maps) != 0)
        return -1;
    for (const char *line = maps; *line != '\0'; line = strchr(line, '\n') + 1) {
        unsigned long start, end;
        char kind[5], name[64] = "";
        if (count == PIECES || strchr(line, '\n') == NULL ||
            sscanf(line, "%lx-%lx %4s %*s %*s %*s%63[^\n]", &start, &end, kind, name) < 3) {
            errno = EPROTO;
            return -1;
        }
        if (strncmp(kind, "rw-p", 4) != 0 || strstr(name, "[stack]") != NULL)
            continue;
        pieces[count].start = start;
        pieces[count].end = end;
        pieces[count++].offset = bytes;
        bytes += end - start;
    }
    const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0 || ftruncate(file, (off_t)bytes) != 0)
        return -1;
    /* From the writing to the mapping of each page, nothing but the stack is written to. */
    for (size_t i = 0; i < count; i++)
        if (move_mapping(file, pagemap, pieces[i].start, pieces[i].end, pieces[i].offset) != 0)
            return -1;
    return close(pagemap);
}

void sv_park(void)
{
    if (move_memory(MEMORY_FD) != 0 || close(MEMORY_FD) != 0 || sv_filter_install_recycled() != 0)
        _exit(126);
    (void)syscall(SV_PARKED);
}

#else

void sv_park(void)
{
}

#endif
