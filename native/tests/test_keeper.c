/* test_keeper.c - a recycled subject without Python: its registers, its memory, its calls.
 *
 * This program is keeper and subject at once. A row's blob is one letter: what the subject does with its
 * row (`act`). Not for a sanitizer, whose shadow memory is terabytes of writable mappings.
 */
#define _GNU_SOURCE
#include "template.h"

#include <errno.h>
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int checks, failures;
#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        checks++;                                                                                  \
        if (!(ok)) {                                                                               \
            if (failures++ < 20)                                                                   \
                (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok);                         \
        }                                                                                          \
    } while (0)

/* ---- the subject ---------------------------------------------------------------------------------- */

#define AREA (64u * SV_PAGE)

static int in_data = 11;
static int in_bss;
static __thread int in_thread = 22;
static volatile char *heap, *area, *never; /* never: mapped, and not touched before the first row */

/* What a row sees: flags, control registers, segment bases, memory of each kind. */
struct seen {
    uint64_t flags, gs_base, fs_base;
    uint32_t mxcsr, pkru;
    uint16_t x87;
    int data, bss, thread, heap, area, never, below;
};

static int has_bases(void) /* instructions for FS and GS base, allowed by the kernel */
{
    return (getauxval(AT_HWCAP2) & 2) != 0;
}

static int has_keys(void)
{
    unsigned a = 7, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c & 16) != 0; /* OSPKE */
}

static void look(struct seen *s)
{
    memset(s, 0, sizeof *s);
    s->mxcsr = _mm_getcsr();
    __asm__ volatile("fnstcw %0" : "=m"(s->x87));
    __asm__ volatile("pushfq; popq %0" : "=r"(s->flags));
    if (has_bases()) {
        __asm__ volatile("rdgsbase %0" : "=r"(s->gs_base));
        __asm__ volatile("rdfsbase %0" : "=r"(s->fs_base));
    }
    if (has_keys())
        __asm__ volatile("rdpkru" : "=a"(s->pkru) : "c"(0) : "rdx");
    s->data = in_data;
    s->bss = in_bss;
    s->thread = in_thread;
    s->heap = heap[5000];
    s->area = area[3 * SV_PAGE];
    s->never = never[0] + never[AREA - 1];
    volatile char here;
    volatile char *below = &here - 200000; /* of the stack */
    s->below = *below;
    s->flags &= ~0x8d5ull; /* those that arithmetic sets */
}

static void change(void)
{
    _mm_setcsr(_mm_getcsr() ^ 0x6000); /* another rounding */
    const uint16_t control = 0x0c7f;
    __asm__ volatile("fldcw %0" : : "m"(control));
    if (has_bases())
        __asm__ volatile("wrgsbase %0" : : "r"(0x1234000ull));
    if (has_keys()) {
        unsigned pkru;
        __asm__ volatile("rdpkru" : "=a"(pkru) : "c"(0) : "rdx");
        __asm__ volatile("wrpkru" : : "a"(pkru & ~8u), "c"(0), "d"(0)); /* of a key that nobody has */
    }
    in_data = in_bss = in_thread = 99;
    heap[5000] = area[3 * SV_PAGE] = never[0] = never[AREA - 1] = 77;
    volatile char here;
    volatile char *below = &here - 200000;
    *below = 55;
}

/* One row. What it calls beyond its list never comes back. */
static void act(struct sv_region *region, char what)
{
    struct seen seen;
    switch (what) {
    case 'l':
        look(&seen);
        memcpy(region->arena, &seen, sizeof seen);
        break;
    case 'c':
        change();
        break;
    case 'o':
        (void)open("/dev/null", 0);
        break;
    case 'm':
        (void)mmap(NULL, SV_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        break;
    case 'u':
        (void)munmap((void *)(uintptr_t)area, SV_PAGE);
        break;
    case 'p':
        (void)mprotect((void *)(uintptr_t)area, SV_PAGE, PROT_NONE);
        break;
    case 'b':
        (void)syscall(SYS_brk, 0);
        break;
    case 's':
        (void)signal(SIGUSR1, SIG_IGN);
        break;
    case 'k':
        (void)kill(getpid(), SIGUSR1);
        break;
    case 't': {
        struct timespec t;
        (void)syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &t);
        break;
    }
    case 'a':
        (void)syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, 1);
        break;
    case 'r':
        (void)syscall(SYS_rseq, NULL, 0, 0, 0);
        break;
    case 'd': /* more stack than there is */
        __asm__ volatile("1: pushq $0; jmp 1b");
        break;
    case 'f': /* a flag that nobody else sets back */
        __asm__ volatile("pushfq; xorq $0x200000, (%%rsp); popfq" : : : "memory", "cc");
        break;
    case 'i': /* another machine's call */
        __asm__ volatile("int $0x80" : : "a"(20));
        break;
    case 'e':
        for (;;)
            ;
    case 'n': { /* harmless ones */
        char folder[64], read_there[4];
        struct stat st;
        (void)getpid();
        (void)syscall(SYS_sched_yield);
        (void)!getcwd(folder, sizeof folder);
        if (write(1, "printed", 7) != 7 || lseek(0, 2, SEEK_SET) != 2 || read(0, read_there, 4) != 3 ||
            memcmp(read_there, "put", 3) != 0 || isatty(0) || isatty(1) || fstat(0, &st) != 0 || st.st_size != 5)
            (void)signal(SIGUSR1, SIG_IGN);
        break;
    }
    case 'w': /* these are not */
        (void)!write(0, "x", 1);
        break;
    case 'R':
        (void)!read(1, &seen, 1);
        break;
    case 'S':
        (void)lseek(1, 0, SEEK_SET);
        break;
    case 'F': {
        struct stat st;
        (void)fstat(1, &st);
        break;
    }
    case 'P': {
        struct stat st;
        (void)fstatat(0, "/etc", &st, AT_EMPTY_PATH);
        break;
    }
    case 'D':
        (void)dup2(1, 0);
        break;
    case 'C':
        (void)close(0);
        break;
    case 'G':
        (void)fcntl(0, F_GETFL);
        break;
    case 'T':
        (void)ftruncate(1, 0);
        break;
    case 'I': {
        int here = 0;
        (void)ioctl(0, FIONREAD, &here);
        break;
    }
    case 'M':
        (void)mmap(NULL, SV_PAGE, PROT_READ, MAP_SHARED, 0, 0);
        break;
    case 'W': /* more than it may */
        for (int i = 0; i < 600; i++)
            (void)!write(1, region->payload, 4096);
        break;
    default:
        break;
    }
    region->records[0].verdict = SV_ANSWERED;
    region->cell = 1;
}

static _Noreturn void subject(struct sv_region *region)
{
    heap = malloc(20000); /* before the copy, as a rehearsal would */
    heap[5000] = 33;
    area[3 * SV_PAGE] = 44;
    sv_park();
    const char *blob;
    uint32_t len;
    if (sv_region_get(region, 0, &blob, &len) == 0 && len == 1)
        act(region, blob[0]);
    _exit(0);
}

/* ---- the worker ----------------------------------------------------------------------------------- */

static struct sv_region *region;
static int control = -1, streams[3];
static pid_t keeper;

static void begin(void)
{
    int pair[2];
    struct sv_ready ready;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 || (keeper = fork()) < 0)
        abort();
    if (keeper == 0) {
        struct sv_template_state state = {.control = pair[1], .region = region, .scratch_fd = -1,
                                          .stdio = {streams[0], streams[1], streams[2]},
                                          .recycle = SV_RECYCLE_CHECKED};
        close(pair[0]);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            abort();
        if (sv_keeper_serve(&state) == SV_ROLE_RECYCLED)
            subject(region);
        _exit(0);
    }
    close(pair[1]);
    control = pair[0];
    if (sv_recv(control, &ready, sizeof ready, NULL, 0) != (ssize_t)sizeof ready)
        abort();
    if (ready.error.stage != 0) {
        (void)printf("no recycled subjects here: %s: %s\n", sv_stage_name((enum sv_stage)ready.error.stage),
                     strerror(ready.error.err));
        exit(77);
    }
}

static void end(void)
{
    close(control);
    (void)kill(keeper, SIGKILL);
    (void)waitpid(keeper, NULL, 0);
}

/* As a worker has them before each row (recycler.c). */
static void blank_streams(void)
{
    for (int i = 0; i < 3; i++)
        if (ftruncate(streams[i], 0) != 0)
            abort();
    if (pwrite(streams[0], "input", 5, 0) != 5 || lseek(streams[0], 0, SEEK_SET) != 0)
        abort();
}

static struct sv_done row(char what)
{
    struct sv_command command = {.serial = 1,
                                 .run = {.kind = SV_KIND_CALLS,
                                         .cells = 1,
                                         .limits = {.cpu_us = 30000, .output_bytes = 1000}}};
    struct sv_done done = {.error = {SV_STAGE_REPLY, EIO}};
    blank_streams();
    memset(region, 0, SV_PAGE);
    memset(&region->records[0], 0, sizeof region->records[0]);
    if (sv_region_put(region, &what, 1) != 0 || sv_send(control, &command, sizeof command, NULL, 0) != 0 ||
        sv_recv(control, &done, sizeof done, NULL, 0) <= 0)
        done.error = (struct sv_error){SV_STAGE_REPLY, EIO};
    return done;
}

static struct seen seen_by_a_row(void)
{
    struct seen seen;
    const struct sv_done done = row('l');
    CHECK(done.error.stage == 0 && done.handed_on == SV_HANDED_NOT && done.dirty == 0);
    memcpy(&seen, region->arena, sizeof seen);
    return seen;
}

int main(void)
{
    region = mmap(NULL, sizeof *region, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    never = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED || area == MAP_FAILED || never == MAP_FAILED)
        abort();
    for (int i = 0; i < 3; i++)
        streams[i] = memfd_create("stream", MFD_CLOEXEC);
    begin();
    const struct seen first = seen_by_a_row();
    CHECK(first.data == 11 && first.bss == 0 && first.thread == 22 && first.heap == 33 && first.area == 44);
    CHECK(first.never == 0 && first.below == 0);
    for (int i = 0; i < 100; i++) { /* before and after it is known which pages are hot */
        const struct sv_done changed = row('c');
        CHECK(changed.error.stage == 0 && changed.handed_on == SV_HANDED_NOT && changed.dirty == 0);
        const struct seen again = seen_by_a_row();
        CHECK(memcmp(&first, &again, sizeof first) == 0);
    }
    /* None of these is executed; the subject is as well as before. */
    for (const char *what = "ompubsktarwRSFPDCGTIM"; *what != '\0'; what++) {
        const struct sv_done done = row(*what);
        CHECK(done.error.stage == 0 && done.handed_on == SV_HANDED_CALL && done.dirty == 0);
        const struct seen again = seen_by_a_row();
        CHECK(memcmp(&first, &again, sizeof first) == 0);
    }
    const struct sv_done harmless = row('n');
    CHECK(harmless.error.stage == 0 && harmless.handed_on == SV_HANDED_NOT && harmless.dirty == 0);
    struct stat printed;
    const struct sv_done flood = row('W');
    CHECK(flood.error.stage == 0 && fstat(streams[1], &printed) == 0);
    CHECK((flood.handed_on == SV_HANDED_ENDED) == (flood.dirty != 0) && printed.st_size == SV_STREAM_BYTES);
    end();
    begin();
    /* These cost it its life. */
    const struct {
        char what;
        enum sv_handed_on why;
    } last[] = {{'d', SV_HANDED_ENDED}, {'f', SV_HANDED_ENDED}, {'i', SV_HANDED_ENDED}, {'e', SV_HANDED_TIME}};
    for (size_t i = 0; i < sizeof last / sizeof last[0]; i++) {
        const struct sv_done done = row(last[i].what);
        CHECK(done.error.stage == 0 && done.handed_on == (uint32_t)last[i].why && done.dirty == 1);
        end();
        begin();
    }
    end();
    (void)printf("%d checks, %d failures\n", checks, failures);
    return failures > 0;
}
