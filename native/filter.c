/* filter.c - the seccomp filters.
 *
 * Two layers. The allow-list is loaded once per template and inherited; the kernel answers its
 * unconditional part from a bitmap, so its length costs nothing per call. The subject's filter is
 * short, because it is loaded once per subject (its load time is paid per row): it takes away what
 * only the template needs. A recycled subject has another second one: a list of a few calls, and
 * every other one stops it for its keeper to see, before it is executed.
 *
 * Not allowed means EPERM (or death, by policy), with these exceptions: clone3 and openat2 answer
 * ENOSYS so that libc falls back to calls whose arguments a filter can see, and so do preadv2 and
 * pwritev2, which nobody needs beside preadv and pwritev; extended attributes answer ENOTSUP, which
 * shutil takes for a plain file system; advice on files, locks, and without a private root modes and
 * times of files, say yes and do nothing.
 */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#if defined(__x86_64__)
#define SV_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SV_AUDIT_ARCH AUDIT_ARCH_AARCH64
#else
#error "sv-engine's seccomp filter knows x86_64 and aarch64"
#endif

#define MAX_FILTER 1024
#define SV_F_OFD_GETLK 36 /* kernel ABI; hidden by some C libraries without _FILE_OFFSET_BITS */
#define SV_F_OFD_SETLK 37
#define SV_F_OFD_SETLKW 38
#define SV_MADV_COLD 20 /* and newer than some C libraries */
#define SV_MADV_PAGEOUT 21

struct program {
    struct sock_filter code[MAX_FILTER];
    unsigned len;
};

static void emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    if (p->len < MAX_FILTER)
        p->code[p->len] = (struct sock_filter){code, jt, jf, k};
    p->len++; /* an overflow is caught in install() */
}

static void load_nr(struct program *p)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

/* Low or high half of an argument; the machines above are little-endian. */
static void load_arg(struct program *p, unsigned arg, bool high)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS,
         (uint32_t)(offsetof(struct seccomp_data, args) + arg * 8 + (high ? 4 : 0)), 0, 0);
}

static void answer(struct program *p, uint32_t action)
{
    emit(p, BPF_RET | BPF_K, action, 0, 0);
}

static void on_call(struct program *p, long nr, uint32_t action)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
    answer(p, action);
}

/* For call `nr`: allow when the low half of `arg` is one of `values`, else `otherwise`. */
static void on_call_values(struct program *p, long nr, unsigned arg, const uint32_t *values,
                           unsigned count, uint32_t otherwise)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, (uint8_t)(2 + 2 * count));
    load_arg(p, arg, false);
    for (unsigned i = 0; i < count; i++) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1);
        answer(p, SECCOMP_RET_ALLOW);
    }
    answer(p, otherwise);
}

/* For call `nr`: `action` when the low half of `arg` has any of `bits` set; else go on. */
static void on_call_bits(struct program *p, long nr, unsigned arg, uint32_t bits, uint32_t action)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 4);
    load_arg(p, arg, false);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    answer(p, action);
    load_nr(p);
}

/* For call `nr`: `action` when the low half of `arg` is `value`; else go on. */
static void on_call_value(struct program *p, long nr, unsigned arg, uint32_t value, uint32_t action)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 4);
    load_arg(p, arg, false);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    answer(p, action);
    load_nr(p);
}

static int install(struct program *p)
{
    if (p->len > MAX_FILTER) {
        errno = E2BIG;
        return -1;
    }
    struct sock_fprog prog = {(unsigned short)p->len, p->code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 ? 0 : -1;
}

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Calls that are harmless inside the other layers, whatever their arguments. */
static const long allowed[] = {
    /* input and output on what is already open */
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
    SYS_lseek, SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_pipe2, SYS_sendfile,
    SYS_copy_file_range, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_fallocate,
    /* waiting */
    SYS_pselect6, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2,
    SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_signalfd4, SYS_nanosleep,
    SYS_clock_nanosleep, SYS_futex, SYS_sched_yield,
    /* files: the mount namespace and Landlock decide which */
    SYS_openat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat,
    SYS_faccessat2, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdirat, SYS_unlinkat,
    SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_readlinkat, SYS_truncate, SYS_umask,
    /* socket pairs: asyncio's self-pipe. There is no socket() to make any other kind, and no
     * sendmsg(): a descriptor in flight outlives its row where it forms a cycle, and is counted. */
    SYS_sendto, SYS_recvfrom, SYS_recvmsg, SYS_shutdown, SYS_getsockopt,
    SYS_getsockname, SYS_getpeername,
    /* memory */
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_brk, SYS_msync,
    SYS_membarrier,
    /* signals to oneself, handlers, timers */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_kill, SYS_tgkill, SYS_setitimer, SYS_getitimer,
    SYS_restart_syscall,
    /* processes and threads; the subject's filter takes most of it away again */
    SYS_set_tid_address, SYS_set_robust_list, SYS_rseq, SYS_exit,
    SYS_exit_group, SYS_wait4, SYS_waitid, SYS_execve, SYS_seccomp, SYS_setsid, SYS_setpgid,
    /* asking */
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_getpid, SYS_getppid, SYS_gettid,
    SYS_getpgid, SYS_getsid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid,
    SYS_getresgid, SYS_getgroups, SYS_getpriority, SYS_getrlimit, SYS_setrlimit, SYS_getrusage,
    SYS_times, SYS_sysinfo, SYS_uname, SYS_getrandom, SYS_sched_getaffinity, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_capget,
    SYS_getcpu,
#if defined(__x86_64__)
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_creat, SYS_mkdir, SYS_rmdir, SYS_unlink,
    SYS_rename, SYS_renameat, SYS_link, SYS_symlink, SYS_readlink, SYS_getdents, SYS_dup2, SYS_pipe, SYS_select, SYS_poll, SYS_epoll_create,
    SYS_epoll_wait, SYS_eventfd, SYS_signalfd, SYS_alarm, SYS_pause, SYS_time, SYS_getpgrp,
    SYS_fork, SYS_vfork,
#else
    SYS_renameat,
#endif
};

/* Modes and times of files: Landlock does not cover them, so on the host's files they say yes and do
 * nothing. (A refusal would break shutil.copy.) */
static const long metadata[] = {
    SYS_fchmod, SYS_fchmodat, SYS_utimensat,
#if defined(__x86_64__)
    SYS_chmod,  SYS_utime,    SYS_utimes,
#endif
};

static const long no_such_call[] = {
    SYS_clone3, SYS_preadv2, SYS_pwritev2,
#ifdef SYS_openat2
    SYS_openat2,
#endif
};

static const long no_attributes[] = {
    SYS_setxattr,  SYS_lsetxattr,  SYS_fsetxattr,  SYS_getxattr,    SYS_lgetxattr,    SYS_fgetxattr,
    SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr,
    SYS_fremovexattr,
};

/* Another machine's calls. */
static void on_architecture(struct program *p)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, SV_AUDIT_ARCH, 1, 0);
    answer(p, SECCOMP_RET_KILL_PROCESS);
    load_nr(p);
#if defined(__x86_64__)
    /* The x32 calls share the arch word and start here. */
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1);
    answer(p, SECCOMP_RET_KILL_PROCESS);
#endif
}

/* Calls that are decided by their number alone. */
static void on_numbers(struct program *p, int private_root)
{
    for (size_t i = 0; i < COUNT(allowed); i++)
        on_call(p, allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < COUNT(metadata); i++)
        on_call(p, metadata[i], private_root ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | 0);
    for (size_t i = 0; i < COUNT(no_such_call); i++)
        on_call(p, no_such_call[i], SECCOMP_RET_ERRNO | ENOSYS);
    for (size_t i = 0; i < COUNT(no_attributes); i++)
        on_call(p, no_attributes[i], SECCOMP_RET_ERRNO | ENOTSUP);
}

/* Calls on descriptors, by their arguments. */
static void on_descriptors(struct program *p)
{
    const uint32_t ioctls[] = {TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TIOCGWINSZ};
    on_call_values(p, SYS_ioctl, 1, ioctls, COUNT(ioctls), SECCOMP_RET_ERRNO | ENOTTY);
    /* Locks say yes and do nothing: a row is alone with its scratch, and a lock on a file that
     * others can read would be a note to them. */
    on_call(p, SYS_flock, SECCOMP_RET_ERRNO | 0);
    on_call(p, SYS_fadvise64, SECCOMP_RET_ERRNO | 0);
    const uint32_t locks[] = {F_SETLK, F_SETLKW, SV_F_OFD_SETLK, SV_F_OFD_SETLKW};
    for (size_t i = 0; i < COUNT(locks); i++)
        on_call_value(p, SYS_fcntl, 1, locks[i], SECCOMP_RET_ERRNO | 0);
    /* To ask for a lock is allowed: nobody in a jail can set one, and SQLite's WAL mode asks. */
    const uint32_t fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL,
                               F_GETPIPE_SZ, F_GETLK, SV_F_OFD_GETLK};
    on_call_values(p, SYS_fcntl, 1, fcntls, COUNT(fcntls), SECCOMP_RET_ERRNO | EINVAL);
    const uint32_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_CAPBSET_READ,
                               PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_SET_PDEATHSIG};
    on_call_values(p, SYS_prctl, 0, prctls, COUNT(prctls), SECCOMP_RET_ERRNO | EINVAL);
    const uint32_t programs[] = {SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF,
                                 SO_ATTACH_REUSEPORT_EBPF};
    for (size_t i = 0; i < COUNT(programs); i++)
        on_call_value(p, SYS_setsockopt, 2, programs[i], SECCOMP_RET_ERRNO | EPERM);
    on_call(p, SYS_setsockopt, SECCOMP_RET_ALLOW);
}

/* Other calls, by their arguments. */
static void on_arguments(struct program *p, uint32_t otherwise)
{
    const uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;
    on_call_bits(p, SYS_clone, 0,
                 CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                     CLONE_NEWPID | CLONE_NEWNET,
                 otherwise);
    on_call(p, SYS_clone, SECCOMP_RET_ALLOW);

    /* Advice that is about pages of others as well: merged, or taken from the page cache. */
    const uint32_t advice[] = {MADV_MERGEABLE, SV_MADV_COLD, SV_MADV_PAGEOUT};
    for (size_t i = 0; i < COUNT(advice); i++)
        on_call_value(p, SYS_madvise, 2, advice[i], SECCOMP_RET_ERRNO | EINVAL);
    on_call(p, SYS_madvise, SECCOMP_RET_ALLOW);
    /* Pairs that stay pairs: a datagram socket sends to whatever address it is given. */
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 6);
    load_arg(p, 1, false);
    emit(p, BPF_ALU | BPF_AND | BPF_K, 0xf /* without SOCK_CLOEXEC and SOCK_NONBLOCK */, 0, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 2, 0);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, SOCK_SEQPACKET, 1, 0);
    answer(p, eperm);
    load_nr(p);
    const uint32_t families[] = {AF_UNIX};
    on_call_values(p, SYS_socketpair, 0, families, COUNT(families), eperm);
    const uint32_t self[] = {0};
    on_call_values(p, SYS_prlimit64, 0, self, COUNT(self), eperm);
#if defined(__x86_64__)
    const uint32_t archs[] = {0x1002 /* ARCH_SET_FS */, 0x1003 /* ARCH_GET_FS */};
    on_call_values(p, SYS_arch_prctl, 0, archs, COUNT(archs), SECCOMP_RET_ERRNO | EINVAL);
#endif
}

/* What a keeper needs to see to its subject, whose own filter has none of it. */
static const long keepers[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_userfaultfd, SYS_ioctl, SYS_prlimit64,
    SYS_prctl, SYS_sendmsg, SYS_memfd_create,
};

int sv_filter_install(int kill_unknown, int private_root, int keeper)
{
    struct program p = {.len = 0};
    const uint32_t otherwise = kill_unknown ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM;
    on_architecture(&p);
    for (size_t i = 0; keeper && i < COUNT(keepers); i++)
        on_call(&p, keepers[i], SECCOMP_RET_ALLOW);
    on_numbers(&p, private_root);
    on_descriptors(&p);
    on_arguments(&p, otherwise);
    answer(&p, otherwise);
    return install(&p);
}

/* No new CPU limit, not even a lower one: the kernel's answer to a spent hard limit is SIGKILL. */
static void keep_cpu_limit(struct program *p)
{
    on_call_value(p, SYS_setrlimit, 0, RLIMIT_CPU, SECCOMP_RET_ERRNO | EPERM);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SYS_prlimit64, 0, 8);
    load_arg(p, 1, false);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_CPU, 0, 5);
    load_arg(p, 2, false);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2);
    load_arg(p, 2, true);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0); /* no new limit: only asking */
    answer(p, SECCOMP_RET_ERRNO | EPERM);
    load_nr(p);
}

int sv_filter_install_subject(void)
{
    /* kill(2) and tgkill(2) reach the subject alone; SIGKILL not even that, so that a SIGKILL
     * which the template did not send is known to come from outside: the machine's doing. */
    const uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;
    struct program p = {.len = 0};
    load_nr(&p);
#if defined(__x86_64__)
    on_call(&p, SYS_fork, eperm);
    on_call(&p, SYS_vfork, eperm);
#endif
    on_call(&p, SYS_execve, eperm);
    on_call(&p, SYS_seccomp, eperm);
    keep_cpu_limit(&p);
    const uint32_t names[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_CAPBSET_READ,
                              PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP};
    on_call_values(&p, SYS_prctl, 0, names, COUNT(names), SECCOMP_RET_ERRNO | EINVAL);
    /* clone: threads only */
    on_call_bits(&p, SYS_clone, 0, CLONE_THREAD, SECCOMP_RET_ALLOW);
    on_call(&p, SYS_clone, eperm);
    const long signals[] = {SYS_kill, SYS_tgkill};
    for (size_t i = 0; i < COUNT(signals); i++) {
        unsigned signal_arg = signals[i] == SYS_kill ? 1 : 2;
        emit(&p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)signals[i], 0, 7);
        load_arg(&p, 0, false);
        emit(&p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 1, 0);
        answer(&p, eperm);
        load_arg(&p, signal_arg, false);
        emit(&p, BPF_JMP | BPF_JEQ | BPF_K, SIGKILL, 0, 1);
        answer(&p, eperm);
        answer(&p, SECCOMP_RET_ALLOW);
    }
    answer(&p, SECCOMP_RET_ALLOW);
    return install(&p);
}

/* Calls that leave nothing behind and tell nothing of the rows before: who am I, where, what time is it. Not
 * the clocks of CPU time, which run on from row to row. */
static const long harmless[] = {
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    SYS_getrandom, SYS_gettimeofday, SYS_sched_yield, SYS_getcpu, SYS_getcwd,
#if defined(__x86_64__)
    SYS_time,
#endif
};

int sv_filter_install_recycled(void)
{
    const uint32_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
                               CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME};
    const uint32_t input[] = {0}, outputs[] = {1, 2}; /* files that are blank for each row */
    const uint32_t is_terminal[] = {TCGETS};
    struct program p = {.len = 0};
    on_architecture(&p);
    for (size_t i = 0; i < COUNT(harmless); i++)
        on_call(&p, harmless[i], SECCOMP_RET_ALLOW);
    on_call_values(&p, SYS_clock_gettime, 0, clocks, COUNT(clocks), SECCOMP_RET_TRACE);
    on_call_values(&p, SYS_read, 0, input, COUNT(input), SECCOMP_RET_TRACE);
    on_call_values(&p, SYS_lseek, 0, input, COUNT(input), SECCOMP_RET_TRACE);
    on_call_values(&p, SYS_write, 0, outputs, COUNT(outputs), SECCOMP_RET_TRACE);
    on_call_values(&p, SYS_ioctl, 1, is_terminal, COUNT(is_terminal), SECCOMP_RET_TRACE);
    answer(&p, SECCOMP_RET_TRACE);
    return install(&p);
}

int sv_filter_available(void)
{
    /* A null program: EFAULT says that filters exist. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT)
        return 0;
    return errno;
}
