/* recycled.c - what a subject that is to be recycled does before its first row.
 *
 * In: a fork of its keeper (keeper.c).  Out: it rehearses, parks, and from then on is put back after each
 * row; of that it does a part itself, before the next one, with what it finds in memory that it can only
 * read (stand_ready). Neither stack nor heap can grow any more, and its last filter lets a few harmless
 * calls through.
 */
#define _GNU_SOURCE
#include "template.h"

#if defined(__x86_64__)
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
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

#define HOT_FD 3 /* until it is parked */
/* Room for what short rows need, and more is a forked subject's. */
#define STACK_BYTES (1ul << 20)
#define HEAP_BYTES (4ul << 20)

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
    if (sv_recv(report, &go, sizeof go, NULL, 0) != 1 || dup2(file, HOT_FD) != HOT_FD ||
        syscall(SYS_close_range, HOT_FD + 1, ~0u, 0) != 0 ||
        grow_stack() != 0 || grow_heap() != 0)
        _exit(126);
    state->recycled = 1;
    state->control = state->scratch_fd = -1;
}

/* ---- parking -------------------------------------------------------------------------------------- */

/* Stops. Each row begins behind the first call, with registers that were put back: pages that rows write
 * are copied over what the last one left there, and nothing is touched before. In the checking mode it
 * stops again then. */
static void stand_ready(const struct sv_hot_run *run)
{
    long nr = SV_PARKED;
    __asm__ volatile("syscall\n"
                     "1: movq %c[words](%[run]), %%rcx\n"
                     "testq %%rcx, %%rcx\n"
                     "jz 2f\n"
                     "movq %c[to](%[run]), %%rdi\n"
                     "movq %c[from](%[run]), %%rsi\n"
                     "rep movsq\n"
                     "addq %[size], %[run]\n"
                     "jmp 1b\n"
                     "2: cmpq $0, %c[to](%[run])\n"
                     "je 3f\n"
                     "movl %[parked], %%eax\n"
                     "syscall\n"
                     "3:\n"
                     : "+a"(nr), [run] "+r"(run)
                     : [to] "i"(offsetof(struct sv_hot_run, to)), [from] "i"(offsetof(struct sv_hot_run, from)),
                       [words] "i"(offsetof(struct sv_hot_run, words)), [size] "i"(sizeof *run),
                       [parked] "i"(SV_PARKED)
                     : "rcx", "r11", "rdi", "rsi", "memory", "cc");
}

void sv_park(void)
{
    const struct sv_hot *hot = mmap(NULL, sizeof *hot, PROT_READ, MAP_SHARED, HOT_FD, 0);
    if (hot == MAP_FAILED || close(HOT_FD) != 0 || sv_filter_install_recycled() != 0)
        _exit(126);
    stand_ready(hot->runs);
}

#else

void sv_park(void)
{
}

#endif
