/* test_core.c - the native core without Python, made to run under ASan and UBSan.
 *
 * This program is client, zygote, template and subject at once: its pools start it again as their
 * zygote, and what sv_template_serve returns as a subject runs rows in C. A row's blob says what loading does, a
 * cell's blob what the cell does, one word each (`act`).
 */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
const char *__asan_default_options(void);
/* Leaks are looked for at the end of main, and only where the sanitizer may ptrace. */
const char *__asan_default_options(void)
{
    return "detect_leaks=1:leak_check_at_exit=0:abort_on_error=0:exitcode=99:allocator_may_return_null=1";
}
#endif

static int checks, failures;
static const char *running = "";

__attribute__((format(printf, 4, 5))) static void check(int ok, const char *file, int line, const char *format,
                                                        ...)
{
    checks++;
    if (ok)
        return;
    failures++;
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s:%d: in %s: ", file, line, running);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}
#define CHECK(ok) check((ok), __FILE__, __LINE__, "%s", #ok)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        check(a_ == b_, __FILE__, __LINE__, "%s is %lld, not %lld", #a, a_, b_);                   \
    } while (0)

/* A small generator of our own: the same numbers on every machine. */
static uint64_t seed = 20260101;
static uint32_t dice(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33);
}

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static struct sv_region *new_region(int *memfd)
{
    *memfd = (int)syscall(SYS_memfd_create, "test-region", 1u);
    if (*memfd < 0 || ftruncate(*memfd, sizeof(struct sv_region)) != 0)
        abort();
    void *region = mmap(NULL, sizeof(struct sv_region), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, *memfd, 0);
    if (region == MAP_FAILED)
        abort();
    return region;
}

static void drop_region(struct sv_region *region, int memfd)
{
    (void)munmap(region, sizeof *region);
    close(memfd);
}

/* ---- region.c ------------------------------------------------------------------------------------ */

static void test_region_holds_blobs(void)
{
    int memfd;
    struct sv_region *region = new_region(&memfd);
    const char *bytes;
    uint32_t len;
    CHECK_EQ(sv_region_put(region, "one", 3), 0);
    CHECK_EQ(sv_region_put(region, "", 0), 0);
    CHECK_EQ(sv_region_put(region, "three", 5), 0);
    CHECK(sv_region_get(region, 0, &bytes, &len) == 0 && len == 3 && memcmp(bytes, "one", 3) == 0);
    CHECK(sv_region_get(region, 1, &bytes, &len) == 0 && len == 0);
    CHECK(sv_region_get(region, 2, &bytes, &len) == 0 && len == 5 && memcmp(bytes, "three", 5) == 0);
    CHECK(sv_region_get(region, 3, &bytes, &len) == -1 && errno == EBADMSG);
    CHECK(sv_region_put(region, "x", SV_PAYLOAD_BYTES) == -1 && errno == EMSGSIZE);
    CHECK(sv_region_put(region, "x", SIZE_MAX) == -1 && errno == EMSGSIZE);
    CHECK(sv_region_put(region, "x", SV_PAYLOAD_BYTES - region->payload_len - 3) == -1);
    char *large = calloc(1, SV_PAYLOAD_BYTES);
    CHECK_EQ(sv_region_put(region, large, SV_PAYLOAD_BYTES - region->payload_len - 4), 0);
    CHECK_EQ(region->payload_len, SV_PAYLOAD_BYTES);
    CHECK(sv_region_put(region, "", 0) == -1 && errno == EMSGSIZE);
    free(large);
    drop_region(region, memfd);
}

static void test_region_with_hostile_lengths(void)
{
    int memfd;
    struct sv_region *region = new_region(&memfd);
    const char *low = region->payload, *high = region->payload + SV_PAYLOAD_BYTES;
    for (int i = 0; i < 200000; i++) {
        for (uint32_t at = 0; at < 64; at += 4) {
            uint32_t word = dice() % 3 == 0 ? dice() * 2 : dice() % 40;
            memcpy(region->payload + at, &word, sizeof word);
        }
        region->payload_len = dice() % 4 == 0 ? dice() * 2 : dice() % 80;
        region->blobs = dice() % 4 == 0 ? dice() * 2 : dice() % 20;
        const char *bytes = NULL;
        uint32_t len = 0, index = dice() % 24, got = 0;
        if (sv_region_get(region, index, &bytes, &len) == 0) {
            got = 1;
            check(bytes >= low && bytes <= high && len <= (size_t)(high - bytes), __FILE__, __LINE__,
                  "blob %u at %td of %u bytes", index, bytes - low, len);
            check(index < region->blobs && region->payload_len <= SV_PAYLOAD_BYTES, __FILE__, __LINE__,
                  "blob %u of %u", index, region->blobs);
        }
        if (failures > 10)
            break;
        (void)got;
    }
    drop_region(region, memfd);
}

static void test_records_with_hostile_contents(void)
{
    int memfd;
    struct sv_region *region = new_region(&memfd);
    const char *low = region->arena;
    for (int i = 0; i < 200000; i++) {
        uint32_t cell = dice() % SV_MAX_CELLS, len = 0, max = dice() % 2 ? SV_DETAIL_MAX : SV_ANSWER_MAX;
        region->records[cell].detail_at = dice() % 2 ? dice() * 2 : SV_ARENA_BYTES - dice() % 300;
        region->records[cell].detail_len = dice() % 2 ? dice() * 2 : dice() % 300;
        const char *text = sv_record_detail(region, cell, max, &len);
        check(len <= max, __FILE__, __LINE__, "%u bytes of detail", len);
        if (len > 0)
            check(text >= low && len <= (size_t)(low + SV_ARENA_BYTES - text), __FILE__, __LINE__,
                  "detail at %td of %u bytes", text - low, len);
        if (failures > 10)
            break;
    }
    /* A writer that starts from a forged mark stays inside, and the verdict is written. */
    const uint32_t marks[] = {0, 1, SV_ARENA_BYTES - 1, SV_ARENA_BYTES, SV_ARENA_BYTES + 1, UINT32_MAX - 3,
                              UINT32_MAX};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        uint32_t len;
        region->arena_len = marks[i];
        sv_record_set(region, 7, SV_WRONG, UINT64_MAX, "some text", 9);
        (void)sv_record_detail(region, 7, SV_DETAIL_MAX, &len);
        CHECK(len == 9 || len == 0);
        CHECK_EQ(region->records[7].verdict, SV_WRONG);
        CHECK_EQ(region->records[7].cpu_us, UINT32_MAX);
    }
    sv_record_set(region, SV_MAX_CELLS, SV_PASS, 0, NULL, 0); /* beyond the end: nothing happens */
    sv_record_set(region, UINT32_MAX, SV_PASS, 0, NULL, 0);
    drop_region(region, memfd);
}

static int is_blank(const struct sv_region *region)
{
    const char *bytes = (const char *)region;
    for (size_t at = 0; at < sizeof *region; at += 1u << 20) {
        size_t n = sizeof *region - at < 1u << 20 ? sizeof *region - at : 1u << 20;
        for (size_t i = 0; i < n; i++)
            if (bytes[at + i] != 0)
                return 0;
    }
    return 1;
}

static void test_region_is_blank_after_a_reset(void)
{
    int memfd;
    struct sv_region *region = new_region(&memfd);
    struct sv_region_used used = {0, 0, 0};
    for (int honest = 1; honest >= -1; honest--) {
        uint32_t payload_len;
        for (int i = 0; i < 50; i++)
            CHECK_EQ(sv_region_put(region, "source", 6), 0);
        for (uint32_t i = 0; i < 300; i++)
            sv_record_set(region, i, SV_WRONG, 5, "because", 7);
        payload_len = region->payload_len;
        if (honest < 0) { /* a mark within the room that a length makes up */
            region->payload[60u << 20] = 'x';
            region->arena_len = 40 * SV_PAGE;
        } else if (!honest) { /* marks where no honest row writes, and lengths that deny it */
            memset(region->arena + (20u << 20), 'x', 100);
            memset(region->payload + (40u << 20), 'x', 100);
            region->records[4000].verdict = 9;
            region->arena_len = 1;
            region->payload_len = 0;
        }
        CHECK_EQ(sv_region_reset(region, memfd, 300, payload_len, &used), 0);
        CHECK(is_blank(region));
    }
    drop_region(region, memfd);
}

/* ---- wire.c -------------------------------------------------------------------------------------- */

struct message {
    char text[24];
};

static void test_wire_carries_messages_and_descriptors(void)
{
    int pair[2], fds[3], before = open_fds();
    struct message out = {"hello"}, in;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_EQ(sv_send(pair[0], &out, sizeof out, pair, 2), 0);
    CHECK_EQ(sv_recv(pair[1], &in, sizeof in, fds, 3), sizeof in);
    CHECK(strcmp(in.text, "hello") == 0 && fds[0] >= 0 && fds[1] >= 0 && fds[2] == -1);
    CHECK((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    close(fds[0]);
    close(fds[1]);
    close(pair[0]);
    CHECK_EQ(sv_recv(pair[1], &in, sizeof in, fds, 3), 0);
    CHECK_EQ(fds[0], -1);
    CHECK(sv_send(pair[1], &out, sizeof out, NULL, 0) == -1 && errno == EPIPE); /* and no SIGPIPE */
    close(pair[1]);
    CHECK_EQ(open_fds(), before);
}

static void test_wire_refuses_wrong_sizes(void)
{
    int pair[2], fds[2], before = open_fds();
    struct message out = {"hello"}, in;
    char longer[64] = {0};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t len = 1; len < sizeof longer; len++) {
        if (len == sizeof out)
            continue;
        CHECK_EQ(sv_send(pair[0], longer, len, pair, 2), 0);
        errno = 0;
        CHECK_EQ(sv_recv(pair[1], &in, sizeof in, fds, 2), -1);
        CHECK(errno == EBADMSG && fds[0] == -1 && fds[1] == -1);
    }
    /* The socket is still good. */
    CHECK_EQ(sv_send(pair[0], &out, sizeof out, NULL, 0), 0);
    CHECK_EQ(sv_recv(pair[1], &in, sizeof in, fds, 2), sizeof in);
    close(pair[0]);
    close(pair[1]);
    CHECK_EQ(open_fds(), before);
}

static void send_many(int sock, int fd, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 32)];
    } control;
    struct message out = {"many"};
    struct iovec iov = {&out, sizeof out};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                            .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    memset(&control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
    CHECK_EQ(sendmsg(sock, &header, MSG_NOSIGNAL), sizeof out);
}

static void test_wire_closes_descriptors_nobody_asked_for(void)
{
    int pair[2], fds[SV_WIRE_FDS], before = open_fds();
    struct message in;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t count = 1; count <= 32; count++)
        for (int wanted = 0; wanted <= SV_WIRE_FDS; wanted++) {
            int opened = open_fds();
            send_many(pair[0], pair[0], count);
            ssize_t n = sv_recv(pair[1], &in, sizeof in, fds, wanted);
            if (n > 0)
                for (int i = 0; i < wanted; i++)
                    if (fds[i] >= 0)
                        close(fds[i]);
            CHECK(n == -1 || (n == sizeof in && count <= SV_WIRE_FDS + 1));
            CHECK_EQ(open_fds(), opened);
        }
    close(pair[0]);
    close(pair[1]);
    CHECK_EQ(open_fds(), before);
}

static void test_faults_have_an_address(void)
{
    struct sv_fault fault = {SV_STAGE_MOUNT, EIO};
    CHECK_EQ(sv_fault_at(NULL, SV_STAGE_MOUNT), 0);
    CHECK_EQ(sv_fault_at(&fault, SV_STAGE_PIVOT), 0);
    CHECK(sv_fault_at(&fault, SV_STAGE_MOUNT) == -1 && errno == EIO);
    for (int stage = 0; stage < SV_STAGE_COUNT; stage++) {
        const char *name = sv_stage_name((enum sv_stage)stage);
        CHECK(name != NULL && *name != '\0' && strcmp(name, "unknown") != 0);
    }
    CHECK(strcmp(sv_stage_name((enum sv_stage)SV_STAGE_COUNT), "unknown") == 0);
    CHECK(strcmp(sv_stage_name((enum sv_stage)-1), "unknown") == 0);
}

/* ---- filter.c ------------------------------------------------------------------------------------ */

/* Runs `body` in a child; its wait status. */
static int in_child(void (*body)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(failures == 0 ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void refused(long nr, int expected)
{
    errno = 0;
    long r = syscall(nr, 0, 0, 0, 0, 0, 0);
    check(r == -1 && errno == expected, __FILE__, __LINE__, "call %ld gave %ld with errno %d, not %d", nr, r,
          errno, expected);
}

static void filtered(int kill_unknown, int private_root)
{
    failures = 0;
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(sv_filter_install(kill_unknown, private_root, 0), 0);
}

static void body_allow_list(void)
{
    filtered(0, 1);
    refused(SYS_socket, EPERM);
    refused(SYS_connect, EPERM);
    refused(SYS_ptrace, EPERM);
    refused(SYS_unshare, EPERM);
    refused(SYS_setns, EPERM);
    refused(SYS_mount, EPERM);
    refused(SYS_bpf, EPERM);
    refused(SYS_keyctl, EPERM);
    refused(SYS_memfd_create, EPERM);
    refused(SYS_io_uring_setup, EPERM);
    refused(SYS_process_vm_readv, EPERM);
    refused(SYS_pidfd_open, EPERM);
    refused(SYS_get_robust_list, EPERM);
    refused(SYS_sendmsg, EPERM);
    refused(SYS_clone3, ENOSYS);
    refused(SYS_getxattr, ENOTSUP);
    CHECK(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) == -1 && errno == EPERM);
    CHECK(syscall(SYS_ioctl, 1, 0x5412 /* TIOCSTI */, NULL) == -1 && errno == ENOTTY);
    CHECK(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_prlimit64, 1, RLIMIT_CPU, NULL, NULL) == -1 && errno == EPERM);
    int pair[2];
    CHECK(socketpair(AF_INET, SOCK_STREAM, 0, pair) == -1);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == -1 && errno == EPERM);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0) == -1 && errno == EPERM);
    CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    CHECK(madvise(NULL, 0, MADV_MERGEABLE) == -1 && errno == EINVAL);
    CHECK_EQ(madvise(NULL, 0, MADV_DONTNEED), 0);
    CHECK(socketpair(AF_UNIX, SOCK_RAW, 0, pair) == -1 && errno == EPERM); /* another name for it */
    CHECK_EQ(pipe2(pair, O_CLOEXEC), 0);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK(getpid() > 0);
}

/* On the host's own root: modes say yes and stay as they are. */
static void body_metadata(void)
{
    char name[] = "/tmp/sv-core-mode-XXXXXX";
    struct stat st;
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    filtered(0, 0);
    CHECK_EQ(fchmod(fd, 0777), 0);
    CHECK_EQ(chmod(name, 0777), 0);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    CHECK_EQ(unlink(name), 0);
}

static void body_kill_policy(void)
{
    filtered(1, 1);
    (void)syscall(SYS_socket, 0, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
static void body_x32(void)
{
    filtered(0, 1);
    (void)syscall(0x40000000L | SYS_getpid);
}
#endif

static void body_subject(void)
{
    filtered(0, 1);
    CHECK_EQ(sv_filter_install_subject(), 0);
    refused(SYS_execve, EPERM);
    refused(SYS_seccomp, EPERM);
#if defined(__x86_64__)
    refused(SYS_fork, EPERM);
    refused(SYS_vfork, EPERM);
#endif
    struct rlimit old, cpu = {1, 1};
    CHECK_EQ(getrlimit(RLIMIT_CPU, &old), 0);
    CHECK(setrlimit(RLIMIT_CPU, &cpu) == -1 && errno == EPERM);
    CHECK(syscall(SYS_setrlimit, RLIMIT_CPU, &cpu) == -1 && errno == EPERM);
    CHECK(syscall(SYS_prlimit64, 0, RLIMIT_CPU, &cpu, &cpu) == -1 && errno == EPERM);
    CHECK(getrlimit(RLIMIT_CPU, &cpu) == 0 && cpu.rlim_cur == old.rlim_cur && cpu.rlim_max == old.rlim_max);
    cpu = (struct rlimit){0, 0};
    CHECK_EQ(setrlimit(RLIMIT_CORE, &cpu), 0);
    CHECK(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == -1 && errno == EPERM);
    CHECK(kill(getpid(), SIGKILL) == -1 && errno == EPERM);
    CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
    CHECK(kill(-1, SIGTERM) == -1 && errno == EPERM);
    CHECK(kill(0, SIGTERM) == -1 && errno == EPERM);
    CHECK_EQ(kill(getpid(), 0), 0);
    CHECK(syscall(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0) == -1);
}

static void test_filters_hold(void)
{
    CHECK_EQ(sv_filter_available(), 0);
    CHECK_EQ(in_child(body_allow_list), 0);
    CHECK_EQ(in_child(body_metadata), 0);
    CHECK_EQ(in_child(body_subject), 0);
    int status = in_child(body_kill_policy);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
#if defined(__x86_64__)
    status = in_child(body_x32);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
#endif
}

/* ---- the subject, in C ----------------------------------------------------------------------------- */

static int blob_is(const struct sv_region *region, uint32_t index, const char *word)
{
    const char *bytes;
    uint32_t len;
    return sv_region_get(region, index, &bytes, &len) == 0 && len == strlen(word) &&
           memcmp(bytes, word, len) == 0;
}

/* Does what blob `index` says; most of it does not return. */
static enum sv_verdict act(struct sv_region *region, uint32_t index)
{
    static const char block[65536];
    if (blob_is(region, index, "pass"))
        return SV_PASS;
    if (blob_is(region, index, "wrong"))
        return SV_WRONG;
    if (blob_is(region, index, "exit"))
        _exit(3);
    if (blob_is(region, index, "spin"))
        for (volatile uint64_t i = 0;; i++)
            ;
    if (blob_is(region, index, "stop"))
        (void)kill(getpid(), SIGSTOP);
    if (blob_is(region, index, "sleep"))
        for (;;)
            pause();
    if (blob_is(region, index, "abort")) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)kill(getpid(), SIGABRT);
    }
    if (blob_is(region, index, "flood"))
        for (;;)
            if (write(1, block, sizeof block) < 0)
                _exit(4);
    if (blob_is(region, index, "touch")) {
        int fd = open("left", O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return SV_EXCEPTION; /* a file of another row */
        close(fd);
        return SV_PASS;
    }
    if (blob_is(region, index, "echo")) {
        char line[64];
        ssize_t n = read(0, line, sizeof line);
        return n >= 0 && write(1, line, (size_t)n) == n && write(2, "err", 3) == 3 ? SV_PASS : SV_EXCEPTION;
    }
    if (blob_is(region, index, "refused"))
        return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM &&
                       syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == -1 && getuid() != 0
                   ? SV_PASS
                   : SV_WRONG;
    if (blob_is(region, index, "flip")) /* every look sees another cell */
        for (;; (void)usleep(20000))
            region->cell ^= 1;
    if (blob_is(region, index, "skip")) { /* all done, and of a kind that needs no answers */
        region->kind = SV_KIND_SERVE;
        region->cell = region->cells;
        _exit(0);
    }
    if (blob_is(region, index, "sleeper")) { /* of a kind that may wait for long */
        region->kind = SV_KIND_JUDGE;
        for (;;)
            pause();
    }
    if (blob_is(region, index, "shrink") || blob_is(region, index, "task")) {
        region->kind = blob_is(region, index, "task") ? SV_KIND_PLAN : region->kind;
        region->cells = 0;
        for (;;)
            if (write(1, block, sizeof block) < 0)
                _exit(4);
    }
    if (blob_is(region, index, "forge")) { /* every field that is ours to spoil, spoilt */
        memset(region->records, 0xff, sizeof region->records);
        memset(region->arena, 'x', 1u << 20);
        memset(region->payload, 0xff, 1u << 20);
        region->arena_len = region->payload_len = region->blobs = region->cells = UINT32_MAX;
        region->cell = region->start = UINT32_MAX;
        region->cell_cpu_ns = UINT64_MAX;
        region->loading = 7;
        _exit(0);
    }
    return SV_EXCEPTION;
}

static _Noreturn void subject(struct sv_region *region)
{
    const uint32_t cells = region->cells;
    region->cell = region->start;
    region->cell_cpu_ns = sv_cpu_ns(0);
    enum sv_verdict loaded = act(region, 0);
    if (loaded != SV_PASS) {
        for (uint32_t i = region->start; i < cells; i++)
            sv_record_set(region, i, loaded, 1, "load", 4);
        region->cell = cells;
        _exit(0);
    }
    region->loading = 0;
    for (uint32_t i = region->start; i < cells; i++) {
        region->cell = i;
        region->cell_cpu_ns = sv_cpu_ns(0);
        enum sv_verdict verdict = region->kind == SV_KIND_PROGRAM ? loaded : act(region, 1 + i);
        sv_record_set(region, i, verdict, (sv_cpu_ns(0) - region->cell_cpu_ns) / 1000u,
                      verdict == SV_PASS ? "" : "not so", verdict == SV_PASS ? 0 : 6);
        region->cell = i + 1;
    }
    _exit(0);
}

/* The split judge: a subject answers a call with its own text, and "yes" is what is expected of all. */
static _Noreturn void answer_calls(struct sv_region *region)
{
    region->loading = 0;
    for (uint32_t i = region->start; i < region->cells; i++) {
        const char *call;
        uint32_t len;
        region->cell = i;
        region->cell_cpu_ns = sv_cpu_ns(0);
        if (sv_region_get(region, 1 + i, &call, &len) != 0)
            _exit(9);
        (void)sv_record_set(region, i, (enum sv_verdict)SV_ANSWERED, 1, call, len);
        region->cell = i + 1;
    }
    _exit(0);
}

/* What planning a test, or comparing an answer, can come to. */
static void suffer(const struct sv_region *region, uint32_t index, const char *prefix)
{
    char word[32];
    const char *const ends[] = {"spin", "memory", "abort", "gone"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(word, sizeof word, "%s%s", prefix, ends[i]);
        if (!blob_is(region, index, word))
            continue;
        for (volatile int forever = i == 0; forever;)
            ;
        if (i == 1)
            _exit(SV_TASK_NO_MEMORY);
        if (i == 2)
            abort();
        _exit(0);
    }
}

/* A record of struct sv_code: the request is the test itself, and nothing goes with it. */
static void plan_literal(struct sv_region *region, uint32_t i, const char *text, uint32_t len)
{
    char detail[256];
    const struct sv_code code = {len};
    if (sizeof code + len > sizeof detail)
        _exit(9);
    memcpy(detail, &code, sizeof code);
    memcpy(detail + sizeof code, text, len);
    (void)sv_record_set(region, i, (enum sv_verdict)SV_LITERAL, 0, detail, (uint32_t)sizeof code + len);
}

static void do_task(struct sv_region *region)
{
    static uint32_t planned; /* is lost with its process, as in a real judge */
    const int plans = region->kind == SV_KIND_PLAN;
    if (plans)
        planned = region->cells;
    else if (planned == 0)
        _exit(8);
    for (uint32_t i = 0; i < region->cells; i++) {
        const char *text;
        uint32_t len;
        if (sv_region_get(region, i, &text, &len) != 0)
            _exit(9);
        if (len == 0)
            continue; /* no answer */
        region->cell_cpu_ns = sv_cpu_ns(0);
        region->cell = i;
        suffer(region, i, plans ? "plan-" : "");
        if (plans && blob_is(region, i, "raise"))
            (void)sv_record_set(region, i, (enum sv_verdict)SV_CODE, 0, "", 0);
        else if (plans)
            plan_literal(region, i, text, len);
        else
            (void)sv_record_set(region, i, blob_is(region, i, "yes") ? SV_PASS : SV_WRONG, 0, "no", 2);
        region->cell = i + 1;
    }
}

static char *scratch_root;

static _Noreturn void zygote(int sock, uint32_t clone_flags)
{
    static struct sv_jail jail;
    static struct sv_template_state state;
    static char usr[] = "/usr", lib[] = "/lib", lib64[] = "/lib64";
    jail.read_only[0] = usr;
    jail.read_only[1] = lib;
    jail.read_only[2] = lib64;
    jail.read_only_count = 3;
    jail.scratch = scratch_root;
    jail.clone_flags = clone_flags;
    jail.uid_outer = geteuid() == 0 ? 3000000 + (getpid() % 4096) * 64 : -1;
    jail.landlock = 1;
    jail.host_in_reach = 1;
    jail.scratch_bytes = 1 << 20;
    if (sv_zygote_serve(sock, &jail, &state) != 1)
        _exit(0);
    for (;;)
        switch (sv_template_serve(&state)) {
        case SV_ROLE_SUBJECT:
            if (state.region->kind == SV_KIND_CALLS)
                answer_calls(state.region);
            subject(state.region);
        case SV_ROLE_TASK:
            do_task(state.region);
            break;
        default:
            _exit(0);
        }
}

#define ALL_NAMESPACES                                                                             \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* ---- the client ------------------------------------------------------------------------------------ */

struct client {
    struct sv_pool *pool;
};

static struct client open_pool(uint32_t workers, uint32_t clone_flags, struct sv_fault fault, uint32_t times)
{
    char flags[16];
    const char *const argv[] = {"/proc/self/exe", "zygote", flags, scratch_root, NULL}, *const env[] = {NULL};
    const struct sv_zygote_spec spec = {argv, env, ""};
    struct client c;
    (void)snprintf(flags, sizeof flags, "%u", clone_flags);
    c.pool = sv_pool_new(&spec, 1, workers, fault, times, SV_RECYCLE_OFF);
    CHECK(c.pool != NULL);
    if (c.pool == NULL)
        abort();
    return c;
}

static void close_pool(struct client *c)
{
    sv_pool_close(c->pool);
}

#define NO_FAULT ((struct sv_fault){SV_STAGE_NONE, 0})
#define MAX_CELLS_HERE 64

struct order {
    struct sv_job *job;
    uint32_t rows, cells;
    uint8_t verdict[MAX_CELLS_HERE], trust[MAX_CELLS_HERE], vacuous[MAX_CELLS_HERE];
    uint32_t cpu_us[MAX_CELLS_HERE];
};

static const struct sv_limits quick = {.cpu_us = 200000, .wall_us = 600000, .memory_bytes = 256u << 20,
                                       .output_bytes = 100000, .file_bytes = 1u << 20, .open_files = 32,
                                       .threads = 8, .stack_bytes = 8u << 20};

static enum sv_judge judge_of_jobs = SV_JUDGE_INLINE;

/* `rows` and `cells`: words between spaces. */
static void submit(struct client *c, struct order *o, const char *rows, const char *cells,
                   enum sv_kind kind, struct sv_fault fault, const char *input)
{
    char row_text[256], cell_text[512];
    const char *row_blobs[16], *cell_blobs[MAX_CELLS_HERE];
    size_t row_lens[16], cell_lens[MAX_CELLS_HERE];
    uint8_t zygotes[16] = {0};
    char *rest;
    memset(o, 0, sizeof *o);
    (void)snprintf(row_text, sizeof row_text, "%s", rows);
    (void)snprintf(cell_text, sizeof cell_text, "%s", cells);
    for (char *word = strtok_r(row_text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        row_lens[o->rows] = strlen(word);
        row_blobs[o->rows++] = word;
    }
    for (char *word = strtok_r(cell_text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        cell_lens[o->cells] = strlen(word);
        cell_blobs[o->cells++] = word;
    }
    struct sv_job_spec spec = {
        .kind = kind,
        .judge = judge_of_jobs,
        .rows = o->rows,
        .cells = o->cells,
        .row_blobs = row_blobs,
        .row_lens = row_lens,
        .row_zygotes = zygotes,
        .cell_blobs = cell_blobs,
        .cell_lens = cell_lens,
        .cell_blob_count = kind == SV_KIND_PROGRAM ? 0 : o->cells,
        .limits = quick,
        .stdin_bytes = input,
        .stdin_len = strlen(input),
        .verdict = o->verdict,
        .cpu_us = o->cpu_us,
        .trust = o->trust,
        .vacuous = o->vacuous,
        .fault = fault,
    };
    o->job = sv_pool_submit(c->pool, &spec);
    CHECK(o->job != NULL);
    if (o->job == NULL)
        abort();
}

/* 1 when the job ends within `ms`. */
static int ended(struct order *o, int ms)
{
    const int over = sv_job_wait(o->job, (uint64_t)ms * 1000000u);
    for (int i = 0; over && i < 1000 && sv_job_rows_done(o->job) < o->rows; i++)
        (void)usleep(1000);
    return over;
}

static void finish(struct order *o)
{
    CHECK(ended(o, 60000));
    CHECK_EQ(sv_job_rows_done(o->job), o->rows);
}

static void drop(struct order *o)
{
    sv_job_free(o->job);
}

static int detail_has(struct order *o, uint32_t row, uint32_t cell, const char *words)
{
    uint32_t len;
    char text[SV_DETAIL_MAX + 1];
    const char *detail = sv_job_detail(o->job, row, cell, &len);
    (void)snprintf(text, sizeof text, "%.*s", (int)len, detail);
    int has = strstr(text, words) != NULL;
    if (!has)
        (void)fprintf(stderr, "detail of (%u, %u) is \"%s\"\n", row, cell, text);
    return has;
}

#define VERDICTS(o, ...)                                                                           \
    do {                                                                                           \
        const uint8_t expected_[] = {__VA_ARGS__};                                                 \
        CHECK_EQ(sizeof expected_, (o)->rows *(o)->cells);                                         \
        for (size_t i_ = 0; i_ < sizeof expected_; i_++)                                           \
            check((o)->verdict[i_] == expected_[i_], __FILE__, __LINE__, "cell %zu is %d, not %d", \
                  i_, (o)->verdict[i_], expected_[i_]);                                            \
    } while (0)

static void run_and_check(uint32_t clone_flags)
{
    int before = open_fds();
    struct client c = open_pool(2, clone_flags, NO_FAULT, 0);
    struct order o;
    submit(&c, &o, "pass wrong exit", "pass wrong refused abort pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_PASS, SV_WRONG, SV_PASS, SV_EXCEPTION, SV_PASS, SV_WRONG, SV_WRONG, SV_WRONG, SV_WRONG,
             SV_WRONG, SV_EARLY_EXIT, SV_EARLY_EXIT, SV_EARLY_EXIT, SV_EARLY_EXIT, SV_EARLY_EXIT);
    CHECK(detail_has(&o, 0, 3, "SIGABRT"));
    CHECK(detail_has(&o, 2, 0, "exit code 3"));
    CHECK(detail_has(&o, 9, 9, ""));
    drop(&o);

    submit(&c, &o, "pass", "spin pass exit pass stop pass sleep pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_TIMEOUT, SV_PASS, SV_EARLY_EXIT, SV_PASS, SV_TIMEOUT, SV_PASS, SV_TIMEOUT, SV_PASS);
    drop(&o);

    submit(&c, &o, "pass spin", "pass flood pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_PASS, SV_OUTPUT, SV_PASS, SV_TIMEOUT, SV_TIMEOUT, SV_TIMEOUT);
    drop(&o);

    /* One file each: a row that found another's would say so. */
    submit(&c, &o, "touch touch touch touch touch touch", "pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_PASS, SV_PASS, SV_PASS, SV_PASS, SV_PASS, SV_PASS);
    drop(&o);

    /* What a subject writes over the words that describe its row changes nothing. */
    submit(&c, &o, "pass", "sleeper pass skip pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_TIMEOUT, SV_PASS, SV_EARLY_EXIT, SV_EARLY_EXIT);
    drop(&o);
    submit(&c, &o, "pass", "flip wrong", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o); /* which of the two it is at, is its own word */
    CHECK(o.verdict[0] == SV_TIMEOUT ? o.verdict[1] == SV_WRONG
                                     : o.verdict[0] == SV_EARLY_EXIT && o.verdict[1] == SV_TIMEOUT);
    drop(&o);
    submit(&c, &o, "pass", "shrink pass task pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_OUTPUT, SV_PASS, SV_OUTPUT, SV_PASS);
    drop(&o);

    submit(&c, &o, "pass pass", "forge", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    drop(&o);
    submit(&c, &o, "pass pass", "pass wrong pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_PASS, SV_WRONG, SV_PASS, SV_PASS, SV_WRONG, SV_PASS);
    drop(&o);

    size_t len;
    submit(&c, &o, "echo", "x", SV_KIND_PROGRAM, NO_FAULT, "abc");
    finish(&o);
    VERDICTS(&o, SV_PASS);
    const char *out = sv_job_output(o.job, 0, &len);
    CHECK(len == 3 && memcmp(out, "abc", 3) == 0);
    out = sv_job_output(o.job, 1, &len);
    CHECK(len == 3 && memcmp(out, "err", 3) == 0);
    CHECK_EQ(sv_job_done(o.job)->wait_status, 0);
    drop(&o);

    struct sv_statistics s;
    sv_pool_statistics(c.pool, &s);
    CHECK_EQ(s.infra_rows, 0);

    /* The last of three attempts reads what the first one has read. */
    submit(&c, &o, "echo", "x", SV_KIND_PROGRAM, (struct sv_fault){SV_STAGE_REPLY, EIO}, "abc");
    finish(&o);
    VERDICTS(&o, SV_INFRA);
    out = sv_job_output(o.job, 0, &len);
    CHECK(len == 3 && memcmp(out, "abc", 3) == 0);
    drop(&o);
    CHECK(s.rows >= 14 && s.recycled >= 5);
    struct sv_ready ready;
    CHECK_EQ(sv_pool_probe(c.pool, 0, &ready), 0);
    CHECK((ready.layers & SV_LAYER_SECCOMP) != 0);
    CHECK(clone_flags != 0 || (ready.layers & SV_LAYER_PIDNS) == 0);
    CHECK_EQ(sv_pool_probe(c.pool, 1, &ready), -1); /* there is no such zygote */
    close_pool(&c);
    CHECK_EQ(open_fds(), before);
}

static void test_rows_in_namespaces(void)
{
    run_and_check(ALL_NAMESPACES);
}

static void test_rows_without_namespaces(void)
{
    run_and_check(0);
}

/* A test or an answer that costs the process that plans and compares its life costs its own cell its
 * verdict, in every row, and no other. */
static void tasks_and_check(uint32_t clone_flags)
{
    int before = open_fds();
    struct client c = open_pool(1, clone_flags, NO_FAULT, 0);
    struct order o;
    struct sv_statistics s;
    judge_of_jobs = SV_JUDGE_SPLIT;
    submit(&c, &o, "pass pass", "yes no spin yes memory abort gone no yes", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    for (uint32_t row = 0; row < 2; row++) {
        const uint8_t expected[] = {SV_PASS, SV_WRONG, SV_TIMEOUT, SV_PASS, SV_MEMORY,
                                    SV_EXCEPTION, SV_EXCEPTION, SV_WRONG, SV_PASS};
        for (uint32_t i = 0; i < 9; i++)
            CHECK_EQ(o.verdict[row * 9 + i], expected[i]);
        CHECK(detail_has(&o, row, 2, "while its answer was compared"));
        CHECK(detail_has(&o, row, 5, "signal 6 while its answer was compared"));
    }
    drop(&o);
    submit(&c, &o, "pass pass", "yes plan-memory plan-spin yes plan-abort plan-gone no", SV_KIND_CELLS,
           NO_FAULT, "");
    finish(&o);
    for (uint32_t row = 0; row < 2; row++) {
        const uint8_t expected[] = {SV_PASS, SV_MEMORY, SV_TIMEOUT, SV_PASS, SV_EXCEPTION,
                                    SV_EXCEPTION, SV_WRONG};
        for (uint32_t i = 0; i < 7; i++)
            CHECK_EQ(o.verdict[row * 7 + i], expected[i]);
        CHECK(detail_has(&o, row, 2, "while the test was planned"));
    }
    drop(&o);
    submit(&c, &o, "pass pass pass pass", "yes no", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_PASS, SV_WRONG, SV_PASS, SV_WRONG, SV_PASS, SV_WRONG, SV_PASS, SV_WRONG);
    drop(&o);
    sv_pool_statistics(c.pool, &s);
    CHECK_EQ(s.infra_rows, 0);
    CHECK_EQ(s.retried, 0);
    close_pool(&c);
    judge_of_jobs = SV_JUDGE_INLINE;
    CHECK_EQ(open_fds(), before);
}

static void test_tasks_in_namespaces(void)
{
    tasks_and_check(ALL_NAMESPACES);
}

static void test_tasks_without_namespaces(void)
{
    tasks_and_check(0);
}

static void test_bells(void)
{
    struct client c = open_pool(1, ALL_NAMESPACES, NO_FAULT, 0);
    struct order o[40];
    struct sv_bell *bell = sv_bell_new();
    uint64_t tokens[7], sum = 0;
    size_t seen = 0;
    CHECK(bell != NULL);
    for (uint32_t i = 0; i < 40; i++) {
        submit(&c, &o[i], "pass", "pass wrong", SV_KIND_CELLS, NO_FAULT, "");
        CHECK(sv_job_ring(o[i].job, bell, 100 + i) >= 0);
    }
    for (uint32_t i = 0; i < 40; i++)
        finish(&o[i]);
    for (size_t n = 7; n == 7; seen += n) {
        n = sv_bell_take(bell, tokens, 7);
        for (size_t i = 0; i < n; i++)
            sum += tokens[i];
    }
    CHECK(seen <= 40); /* what had ended before it was asked to ring does not */
    CHECK(seen < 40 || sum == 40 * 100 + 39 * 40 / 2);
    CHECK_EQ(sv_job_ring(o[0].job, bell, 1), 0);
    CHECK_EQ(sv_bell_take(bell, tokens, 7), 0);
    for (uint32_t i = 0; i < 40; i++)
        drop(&o[i]);
    sv_bell_release(bell);
    close_pool(&c);
}

static void test_spawn_faults(void)
{
    for (int stage = SV_STAGE_CLONE; stage <= SV_STAGE_READY; stage++)
        for (int kill_it = 0; kill_it < 2; kill_it++)
            for (int forever = 0; forever < 2; forever++) {
                if (kill_it && (stage == SV_STAGE_CLONE || stage == SV_STAGE_IDMAP))
                    continue; /* the zygote's own steps */
                struct sv_fault fault = {stage, kill_it ? -SIGKILL : ENOSPC};
                struct client c = open_pool(2, ALL_NAMESPACES, fault, forever ? UINT32_MAX : 1);
                struct order o;
                submit(&c, &o, "pass wrong", "pass wrong", SV_KIND_CELLS, NO_FAULT, "");
                finish(&o);
                if (!forever || (stage == SV_STAGE_LANDLOCK && !kill_it)) {
                    VERDICTS(&o, SV_PASS, SV_WRONG, SV_WRONG, SV_WRONG);
                } else {
                    VERDICTS(&o, SV_INFRA, SV_INFRA, SV_INFRA, SV_INFRA);
                    CHECK(detail_has(&o, 0, 0, kill_it ? "sandbox failed at" : sv_stage_name((enum sv_stage)stage)) ||
                          stage == SV_STAGE_READY);
                }
                drop(&o);
                close_pool(&c);
            }
}

static void test_subject_faults(void)
{
    struct client c = open_pool(2, ALL_NAMESPACES, NO_FAULT, 0);
    for (int stage = SV_STAGE_FORK; stage <= SV_STAGE_REPLY; stage++)
        for (int kind = 0; kind < 3; kind++) {
            const int errs[] = {ENOMEM, -SIGKILL, -SIGTERM};
            struct sv_fault fault = {stage, errs[kind]};
            struct order o;
            submit(&c, &o, "pass wrong", "pass wrong", SV_KIND_CELLS, fault, "");
            finish(&o);
            VERDICTS(&o, SV_INFRA, SV_INFRA, SV_INFRA, SV_INFRA);
            CHECK(detail_has(&o, 1, 1, "sandbox failed at") );
            if (kind == 0 && stage != SV_STAGE_REPLY)
                CHECK(detail_has(&o, 0, 0, sv_stage_name((enum sv_stage)stage)));
            drop(&o);
            submit(&c, &o, "pass wrong", "pass wrong", SV_KIND_CELLS, NO_FAULT, "");
            finish(&o);
            VERDICTS(&o, SV_PASS, SV_WRONG, SV_WRONG, SV_WRONG);
            drop(&o);
        }
    close_pool(&c);
}

static void test_close_with_rows_in_flight(void)
{
    for (int delay_ms = 0; delay_ms <= 150; delay_ms += 50) {
        int before = open_fds();
        struct client c = open_pool(2, ALL_NAMESPACES, NO_FAULT, 0);
        struct order o[3];
        for (int i = 0; i < 3; i++)
            submit(&c, &o[i], "spin spin spin spin spin spin", "pass pass pass", SV_KIND_CELLS, NO_FAULT, "");
        (void)usleep((useconds_t)delay_ms * 1000);
        close_pool(&c);
        for (int i = 0; i < 3; i++) {
            CHECK(ended(&o[i], 0)); /* a closed pool owes nobody anything */
            for (uint32_t j = 0; j < 18; j++)
                CHECK(o[i].verdict[j] == SV_INFRA || o[i].verdict[j] == SV_TIMEOUT);
            drop(&o[i]);
        }
        CHECK_EQ(open_fds(), before);
    }
}

static void test_cancel(void)
{
    struct client c = open_pool(1, ALL_NAMESPACES, NO_FAULT, 0);
    struct order o, after, waiting, last;
    submit(&c, &o, "spin spin spin spin spin spin spin spin", "pass pass pass", SV_KIND_CELLS, NO_FAULT, "");
    submit(&c, &waiting, "pass pass pass", "pass", SV_KIND_CELLS, NO_FAULT, "");
    submit(&c, &after, "pass", "pass", SV_KIND_CELLS, NO_FAULT, "");
    submit(&c, &last, "pass", "pass", SV_KIND_CELLS, NO_FAULT, "");
    (void)usleep(100000);
    sv_job_drop(waiting.job); /* from the middle of the queue, and from its end */
    sv_job_drop(last.job);
    sv_job_drop(last.job);
    CHECK_EQ(sv_job_rows_done(waiting.job), 3);
    CHECK_EQ(sv_job_rows_done(last.job), 1);
    VERDICTS(&waiting, SV_INFRA, SV_INFRA, SV_INFRA);
    drop(&waiting);
    drop(&last);
    sv_job_cancel(o.job);
    sv_job_drop(o.job); /* but for the row that runs */
    finish(&o);
    CHECK_EQ(o.verdict[23], SV_INFRA);
    finish(&after);
    VERDICTS(&after, SV_PASS);
    drop(&o);
    drop(&after);
    close_pool(&c);
}

/* Children of the zygote, from /proc; the number found. */
static int templates_of(pid_t zygote_pid, pid_t *found, int max)
{
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)zygote_pid, (int)zygote_pid);
    int n = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    for (char *at = text; n < max; n++) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        found[n] = (pid_t)pid;
        at = end;
    }
    return n;
}

static void test_templates_killed(void)
{
    struct client c = open_pool(2, ALL_NAMESPACES, NO_FAULT, 0);
    struct order o;
    pid_t found[16];
    int killed = 0;
    submit(&c, &o, "pass pass pass pass pass pass", "spin pass spin pass", SV_KIND_CELLS, NO_FAULT, "");
    for (int i = 0; i < 3; i++) {
        (void)usleep(150000);
        for (int n = templates_of(sv_pool_zygote(c.pool, 0), found, 16); n > 0; n--)
            killed += kill(found[n - 1], SIGKILL) == 0;
    }
    CHECK(killed > 0);
    finish(&o);
    for (uint32_t i = 0; i < 24; i++)
        CHECK(o.verdict[i] == SV_INFRA || o.verdict[i] == (i % 2 == 0 ? SV_TIMEOUT : SV_PASS));
    drop(&o);
    submit(&c, &o, "pass", "pass", SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    VERDICTS(&o, SV_PASS);
    drop(&o);
    close_pool(&c);
}

/* With all its templates, in the middle of rows and between them: that costs time, and no cell. */
static void zygotes_killed(enum sv_judge judge, const char *cells, const char *cell)
{
    struct client c = open_pool(2, ALL_NAMESPACES, NO_FAULT, 0);
    struct order o;
    struct sv_statistics s;
    judge_of_jobs = judge;
    submit(&c, &o, "pass", cell, SV_KIND_CELLS, NO_FAULT, "");
    finish(&o);
    drop(&o);
    for (int i = 0; i < 3; i++) {
        submit(&c, &o, "pass pass pass pass", cells, SV_KIND_CELLS, NO_FAULT, "");
        (void)usleep(200000);
        CHECK_EQ(kill(sv_pool_zygote(c.pool, 0), SIGKILL), 0);
        finish(&o);
        for (uint32_t at = 0; at < 8; at++)
            CHECK_EQ(o.verdict[at], at % 2 == 0 ? SV_TIMEOUT : SV_PASS);
        drop(&o);
        CHECK_EQ(kill(sv_pool_zygote(c.pool, 0), SIGKILL), 0);
        submit(&c, &o, "pass", cell, SV_KIND_CELLS, NO_FAULT, "");
        finish(&o);
        VERDICTS(&o, SV_PASS);
        drop(&o);
    }
    sv_pool_statistics(c.pool, &s);
    CHECK_EQ(s.infra_rows, 0);
    judge_of_jobs = SV_JUDGE_INLINE;
    close_pool(&c);
}

static void test_zygotes_killed(void)
{
    zygotes_killed(SV_JUDGE_INLINE, "spin pass", "pass");
    zygotes_killed(SV_JUDGE_SPLIT, "spin yes", "yes");
}

static void test_jobs_that_cannot_be(void)
{
    struct client c = open_pool(1, 0, NO_FAULT, 0);
    const char *blob = "pass";
    size_t len = 4;
    uint8_t zygote_number = 0, verdict = 0, trust = 0, vacuous = 0;
    uint32_t cpu_us = 0;
    const struct sv_job_spec good = {
        .kind = SV_KIND_CELLS, .judge = SV_JUDGE_INLINE, .rows = 1, .cells = 1, .row_blobs = &blob,
        .row_lens = &len, .row_zygotes = &zygote_number, .cell_blobs = &blob, .cell_lens = &len,
        .cell_blob_count = 1, .limits = quick, .stdin_bytes = "", .verdict = &verdict, .cpu_us = &cpu_us,
        .trust = &trust, .vacuous = &vacuous};
    struct sv_job_spec bad = good;
    bad.rows = 0;
    CHECK(sv_pool_submit(c.pool, &bad) == NULL && errno == EINVAL);
    bad = good;
    bad.cells = 0;
    CHECK(sv_pool_submit(c.pool, &bad) == NULL && errno == EINVAL);
    bad.cells = SV_MAX_CELLS + 1;
    CHECK(sv_pool_submit(c.pool, &bad) == NULL && errno == EINVAL);
    bad = good;
    bad.limits.cpu_us = 0;
    CHECK(sv_pool_submit(c.pool, &bad) == NULL && errno == EINVAL);
    bad = good;
    zygote_number = 1;
    CHECK(sv_pool_submit(c.pool, &bad) == NULL && errno == EINVAL);
    close_pool(&c);
}

/* ---- main ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    {"region holds blobs", test_region_holds_blobs},
    {"region with hostile lengths", test_region_with_hostile_lengths},
    {"records with hostile contents", test_records_with_hostile_contents},
    {"region is blank after a reset", test_region_is_blank_after_a_reset},
    {"wire carries messages and descriptors", test_wire_carries_messages_and_descriptors},
    {"wire refuses wrong sizes", test_wire_refuses_wrong_sizes},
    {"wire closes descriptors nobody asked for", test_wire_closes_descriptors_nobody_asked_for},
    {"faults have an address", test_faults_have_an_address},
    {"filters hold", test_filters_hold},
    {"rows in namespaces", test_rows_in_namespaces},
    {"rows without namespaces", test_rows_without_namespaces},
    {"tasks in namespaces", test_tasks_in_namespaces},
    {"tasks without namespaces", test_tasks_without_namespaces},
    {"bells", test_bells},
    {"spawn faults", test_spawn_faults},
    {"subject faults", test_subject_faults},
    {"close with rows in flight", test_close_with_rows_in_flight},
    {"cancel", test_cancel},
    {"templates killed", test_templates_killed},
    {"zygotes killed", test_zygotes_killed},
    {"jobs that cannot be", test_jobs_that_cannot_be},
};

#if defined(__SANITIZE_ADDRESS__)
static void body_leak_check(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, 2); /* the complaint where it may not ptrace */
    _exit(__lsan_do_recoverable_leak_check() == 0 ? 0 : 3);
}

/* 1 where there are leaks. */
static int leaks(void)
{
    int status = in_child(body_leak_check);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)) {
        (void)printf("leak check: not possible here (LeakSanitizer may not ptrace)\n");
        return 0;
    }
    int found = __lsan_do_recoverable_leak_check() != 0;
    (void)printf("leak check: %s\n", found ? "LEAKS" : "none");
    return found;
}
#else
static int leaks(void)
{
    return 0;
}
#endif

int main(int argc, char **argv)
{
    char template_path[] = "/tmp/sv-core-XXXXXX";
    const char *only = argc > 1 ? argv[1] : "";
    if (argc == 4 && strcmp(only, "zygote") == 0) {
        scratch_root = argv[3];
        zygote(SV_ZYGOTE_SOCK, (uint32_t)strtoul(argv[2], NULL, 10));
    }
    scratch_root = mkdtemp(template_path);
    if (scratch_root == NULL || chmod(scratch_root, 0711) != 0)
        return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (strstr(tests[i].name, only) == NULL)
            continue;
        int before = failures;
        running = tests[i].name;
        tests[i].run();
        (void)printf("%s  %s\n", failures == before ? "ok  " : "FAIL", tests[i].name);
    }
    int leaked = leaks();
    int left = rmdir(scratch_root); /* not empty: something of a template was left behind */
    if (left != 0)
        (void)printf("FAIL  %s is not empty\n", scratch_root);
    (void)printf("%d checks, %d failures\n", checks, failures);
    return failures > 0 || leaked || left != 0;
}
