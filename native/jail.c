/* jail.c - what a template gives up before it serves its first row.
 *
 * Written as a recipe: one function per step, in an order with a reason.
 *   mounts      need the namespace's CAP_SYS_ADMIN, so they come before capabilities go
 *   identity    needs CAP_SETUID
 *   capabilities
 *   rlimits     before Landlock only by habit; independent
 *   no_new_privs, Landlock (it needs the final view of the file system)
 *   seccomp     last, because it forbids the calls of every step above
 */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif
/* Not in every kernel's headers that we build on; values are kernel ABI. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
/* Read-only also stops access times; to ask for "noatime" would be refused, it is locked here. */
#define SV_MOUNT_FLAGS (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID)

/* The flags of mount(2) are needed for one call only, and <sys/mount.h> clashes with
 * <linux/mount.h> in some C libraries. */
#define SV_MS_REC 0x4000ul
#define SV_MS_PRIVATE (1ul << 18)
#define SV_MNT_DETACH 2

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                      "/dev/urandom"};
#define DEVICES (sizeof devices / sizeof devices[0])

static int open_tree(const char *path)
{
    return (int)syscall(SYS_open_tree, AT_FDCWD, path,
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

static int attach(int tree, const char *target)
{
    return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}

static int set_attributes(int fd, unsigned flags, uint64_t set)
{
    struct mount_attr attr = {.attr_set = set};
    return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | flags, &attr, sizeof attr);
}

/* A detached tmpfs, or -1. */
static int new_tmpfs(uint64_t bytes, const char *inodes, const char *mode, uint64_t attributes)
{
    int mount = -1;
    char size[32];
    int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return -1;
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", size, 0) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nr_inodes", inodes, 0) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", mode, 0) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
    int saved = errno;
    close(fs);
    errno = saved;
    return mount;
}

/* Creates the folders above `path` (relative to the current folder). */
static int make_parents(const char *path)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr(copy, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (*copy != '\0' && mkdir(copy, 0755) != 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return 0;
}

/* Shows the host's `path`, already cloned as `tree`, at the same place below the current folder. */
static int show(const char *path, int tree, uint64_t attributes)
{
    struct stat st;
    const char *target = path + 1;
    if (make_parents(target) != 0 || fstat(tree, &st) != 0)
        return -1;
    if (S_ISDIR(st.st_mode)) {
        if (mkdir(target, 0755) != 0 && errno != EEXIST)
            return -1;
    } else {
        int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        if (fd < 0)
            return -1;
        close(fd);
    }
    if (set_attributes(tree, AT_RECURSIVE, attributes) != 0)
        return -1;
    return attach(tree, target);
}

/* Where the host has a symbolic link (/lib -> usr/lib), so has the private root. */
static int show_link(const char *path)
{
    char to[PATH_MAX];
    ssize_t n = readlink(path, to, sizeof to - 1);
    if (n < 0)
        return -1;
    to[n] = '\0';
    if (make_parents(path + 1) != 0)
        return -1;
    return symlink(to, path + 1) == 0 || errno == EEXIST ? 0 : -1;
}

/* Sources are cloned before the new root hides some of them. */
struct sources {
    int paths[SV_MAX_PATHS], devices[DEVICES]; /* detached trees; -1: not on this machine, or a link */
    int links[SV_MAX_PATHS];
};

static int clone_sources(const struct sv_jail *jail, struct sources *from)
{
    struct stat st;
    for (uint32_t i = 0; i < jail->read_only_count; i++) {
        from->paths[i] = -1;
        from->links[i] = 0;
        if (lstat(jail->read_only[i], &st) != 0)
            continue;
        from->links[i] = S_ISLNK(st.st_mode);
        if (!from->links[i] && (from->paths[i] = open_tree(jail->read_only[i])) < 0)
            return -1;
    }
    for (size_t i = 0; i < DEVICES; i++) {
        from->devices[i] = open_tree(devices[i]);
        if (from->devices[i] < 0 && errno != ENOENT)
            return -1;
    }
    return 0;
}

static long landlock_abi(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* For /dev/stdin, /dev/fd/0, /dev/stdout: links that the kernel follows to what a process has open.
 * Read-only, nobody's but one's own processes, and of these no file can be read, because Landlock
 * (which asks about what a link leads to) allows nothing below /proc. So without Landlock there is
 * none; nor where the kernel or a container refuses to mount one: programs miss little. */
static int show_proc(void)
{
    static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},
                                           {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"}};
    int proc = -1, fs = landlock_abi() > 0 ? (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC) : -1;
    if (fs < 0)
        return 0;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "hidepid", "invisible", 0) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "subset", "pid", 0) == 0 &&
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        proc = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                            SV_MOUNT_FLAGS | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    close(fs);
    if (proc < 0)
        return 0;
    const int shown = mkdir("proc", 0555) == 0 && attach(proc, "proc") == 0;
    close(proc);
    if (!shown)
        return -1;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i][0], links[i][1]) != 0)
            return -1;
    return 0;
}

static int show_devices(const struct sv_jail *jail, const struct sources *from)
{
    /* POSIX semaphores and shared memory (multiprocessing's locks) are files of the scratch. */
    if (mkdir("dev", 0755) != 0 || symlink("/tmp", "dev/shm") != 0)
        return -1;
    for (size_t i = 0; i < DEVICES; i++) {
        if (from->devices[i] < 0)
            continue;
        if (show(devices[i], from->devices[i], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC) != 0)
            return -1;
        close(from->devices[i]);
    }
    return jail->landlock ? show_proc() : 0;
}

static int show_paths(const struct sv_jail *jail, const struct sources *from)
{
    for (uint32_t i = 0; i < jail->read_only_count; i++) {
        char below[PATH_MAX];
        struct stat st;
        (void)snprintf(below, sizeof below, ".%s", jail->read_only[i]);
        if (lstat(below, &st) != 0 && from->links[i] && show_link(jail->read_only[i]) != 0)
            return -1;
        if (from->paths[i] < 0)
            continue;
        /* Shorter paths come first, so what already shows needs no mount of its own. */
        if (lstat(below, &st) != 0 &&
            show(jail->read_only[i], from->paths[i], SV_MOUNT_FLAGS) != 0)
            return -1;
        close(from->paths[i]);
    }
    return 0;
}

static int step_mounts(const struct sv_jail *jail)
{
    struct sources from;
    if (syscall(SYS_mount, NULL, "/", NULL, SV_MS_REC | SV_MS_PRIVATE, NULL) != 0 ||
        clone_sources(jail, &from) != 0)
        return -1;
    int root = new_tmpfs(1 << 20, "1024", "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
    if (root < 0 || attach(root, "/tmp") != 0 || chdir("/tmp") != 0)
        return -1;
    close(root);
    /* Before the read-only paths: an interpreter that lies below the host's /tmp shows inside it. */
    if (mkdir("tmp", 0755) != 0)
        return -1;
    int scratch = new_tmpfs(jail->scratch_bytes, "4096", "1777",
                            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                                MOUNT_ATTR_NOATIME);
    if (scratch < 0 || attach(scratch, "tmp") != 0)
        return -1;
    close(scratch);
    return show_devices(jail, &from) != 0 || show_paths(jail, &from) != 0 ? -1 : 0;
}

static int step_pivot(void)
{
    /* Old and new root on one mount point: the old one ends on top and is detached. */
    if (syscall(SYS_pivot_root, ".", ".") != 0)
        return -1;
    if (syscall(SYS_umount2, ".", SV_MNT_DETACH) != 0)
        return -1;
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    int failed = set_attributes(root, 0, MOUNT_ATTR_RDONLY);
    close(root);
    if (failed != 0)
        return -1;
    return chdir("/tmp");
}

static int step_identity(const struct sv_jail *jail, int user_namespace)
{
    uid_t uid;
    if (user_namespace)
        uid = SV_UID_INNER;
    else if (geteuid() == 0 && jail->uid_outer > 0)
        uid = (uid_t)jail->uid_outer;
    else
        uid = 0;
    if (uid == 0) {
        /* Nothing lower to become; but tasks are counted by the real uid, and root's have no limit.
         * Where this fails (no such uid in a container), they stay uncounted. */
        if (jail->uid_counted > 0)
            (void)!setresuid((uid_t)jail->uid_counted, (uid_t)-1, (uid_t)-1);
        return 0;
    }
    /* In a user namespace of an ordinary user setgroups is denied, and needless: no capability
     * outside comes with the groups that remain but read access, and mounts hide the files. */
    if (setgroups(0, NULL) != 0 && errno != EPERM)
        return -1;
    if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
        return -1;
    return 0;
}

static int step_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
            return -1; /* EPERM: no CAP_SETPCAP, then there is nothing that could come back */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return -1;
    return syscall(SYS_capset, &header, none) == 0 ? 0 : -1;
}

static int step_rlimits(const struct sv_jail *jail)
{
    const struct {
        int resource;
        rlim_t limit;
    } fixed[] = {
        /* One byte is the one limit that also a program which takes cores heeds; a subject that its
         * keeper can read is not kept from dumping by anything else. */
        {RLIMIT_CORE, jail->keeper ? 1 : 0}, {RLIMIT_MEMLOCK, 0},     {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_NICE, 0},     {RLIMIT_RTPRIO, 0},      {RLIMIT_SIGPENDING, 256},
        {RLIMIT_LOCKS, 256},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        struct rlimit old, limit;
        if (getrlimit((__rlimit_resource_t)fixed[i].resource, &old) != 0)
            return -1;
        limit.rlim_cur = limit.rlim_max = fixed[i].limit < old.rlim_max ? fixed[i].limit
                                                                        : old.rlim_max;
        if (setrlimit((__rlimit_resource_t)fixed[i].resource, &limit) != 0)
            return -1;
    }
    return 0;
}

static int landlock_allow(int ruleset, const char *path, uint64_t access)
{
    struct stat st;
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) /* not there, or out of this uid's reach: needs no rule */
        return errno == ENOENT || errno == EACCES ? 0 : -1;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                               LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
    int failed = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0;
    int saved = errno;
    close(rule.parent_fd);
    errno = saved;
    return failed ? -1 : 0;
}

/* Landlock: 0, or -1 with errno (ENOSYS, EOPNOTSUPP: not in this kernel). */
static int step_landlock(const struct sv_jail *jail, int private_root, const char *scratch)
{
    struct { /* the kernel's struct landlock_ruleset_attr, at its newest size that we use */
        uint64_t fs, net, scoped;
    } attr = {0, 0, 0};
    size_t size = sizeof attr.fs;
    long abi = landlock_abi();
    if (abi < 0)
        return -1;
    attr.fs = (1ULL << 13) - 1;
    if (abi >= 2)
        attr.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        attr.fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi >= 5)
        attr.fs |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    if (abi >= 4) {
        attr.net = 3; /* bind and connect over TCP: handled, and no rule allows any */
        size = offsetof(__typeof__(attr), scoped);
    }
    if (abi >= 6) {
        attr.scoped = 3; /* abstract unix sockets and signals stay inside the domain */
        size = sizeof attr;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return -1;
    const uint64_t read = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                          LANDLOCK_ACCESS_FS_READ_DIR;
    const uint64_t device = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
    int failed = 0;
    if (private_root) /* all of it may be listed, not all of it read: see show_proc */
        failed |= landlock_allow(ruleset, "/", LANDLOCK_ACCESS_FS_READ_DIR);
    for (uint32_t i = 0; i < jail->read_only_count; i++)
        failed |= landlock_allow(ruleset, jail->read_only[i], read);
    for (size_t i = 0; i < DEVICES; i++)
        failed |= landlock_allow(ruleset, devices[i], device);
    if (jail->keeper) /* its subject's maps; the subject itself can open nothing */
        failed |= landlock_allow(ruleset, "/proc", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
    if (scratch != NULL)
        failed |= landlock_allow(ruleset, scratch, attr.fs & ~LANDLOCK_ACCESS_FS_EXECUTE);
    if (failed == 0)
        failed = syscall(SYS_landlock_restrict_self, ruleset, 0) != 0;
    int saved = errno;
    close(ruleset);
    errno = saved;
    return failed ? -1 : 0;
}

#define STEP(stage_, call)                                                                         \
    do {                                                                                           \
        if (sv_fault_at(fault, (stage_)) != 0 || (call) != 0) {                                    \
            *error = (struct sv_error){(stage_), errno};                                           \
            return -1;                                                                             \
        }                                                                                          \
    } while (0)

/* Processes are numbered from a random place on: else a row, which has a new template where the one
 * before it left files, could tell by its own number. Where /proc/sys cannot be written, from 2. */
static void number_from_anywhere(void)
{
    char text[16];
    uint16_t start = 0;
    const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (getrandom(&start, sizeof start, GRND_NONBLOCK) == (ssize_t)sizeof start) {
        const int len = snprintf(text, sizeof text, "%u", 300u + start % 16384u);
        if (write(fd, text, (size_t)len) != len)
            start = 0; /* not allowed here */
    }
    close(fd);
}

int sv_jail_enter(const struct sv_jail *jail, int in_namespaces, const struct sv_fault *fault,
                  struct sv_error *error, int *landlock_errno)
{
    const int private_root = (in_namespaces & CLONE_NEWNS) != 0;
    const int user_namespace = (in_namespaces & CLONE_NEWUSER) != 0;
    const uid_t uid_before = getuid();
    int layers = SV_LAYER_RLIMIT | SV_LAYER_CAPABILITIES | SV_LAYER_NO_NEW_PRIVS | SV_LAYER_SECCOMP;

    if ((in_namespaces & CLONE_NEWPID) != 0)
        number_from_anywhere();
    if (private_root) {
        STEP(SV_STAGE_MOUNT, step_mounts(jail));
        STEP(SV_STAGE_PIVOT, step_pivot());
    } else if (chdir(jail->scratch) != 0) {
        *error = (struct sv_error){SV_STAGE_MOUNT, errno};
        return -1;
    }
    if ((in_namespaces & CLONE_NEWUTS) != 0)
        (void)sethostname("sandbox", 7); /* cosmetic: a namespace without a name is still one */
    STEP(SV_STAGE_IDENTITY, step_identity(jail, user_namespace));
    /* A change of identity clears this, and it must hold before any row: when the zygote goes, so
     * does everything below it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        *error = (struct sv_error){SV_STAGE_IDENTITY, errno};
        return -1;
    }
    STEP(SV_STAGE_CAPABILITIES, step_capabilities());
    STEP(SV_STAGE_RLIMIT, step_rlimits(jail));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        *error = (struct sv_error){SV_STAGE_SECCOMP, errno};
        return -1;
    }
    *landlock_errno = 0;
    if (jail->landlock == 0)
        *landlock_errno = ECANCELED; /* the caller asked for less */
    else if (sv_fault_at(fault, SV_STAGE_LANDLOCK) != 0 ||
        step_landlock(jail, private_root, private_root ? "/tmp" : ".") != 0)
        *landlock_errno = errno; /* a layer the kernel may lack; the doctor and `require` tell */
    else
        layers |= SV_LAYER_LANDLOCK;
    /* A uid that owns half the machine, on the host's files, with nothing that confines it. */
    if (!private_root && geteuid() == 0 && *landlock_errno != 0) {
        *error = (struct sv_error){SV_STAGE_IDENTITY, EACCES};
        return -1;
    }
    /* Not dumpable: no ptrace, no /proc/PID/mem by a process of the same uid. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        *error = (struct sv_error){SV_STAGE_SECCOMP, errno};
        return -1;
    }
    STEP(SV_STAGE_SECCOMP, sv_filter_install(jail->kill_unknown, private_root, jail->keeper));

    static const struct {
        int flag, layer;
    } namespaces[] = {
        {CLONE_NEWUSER, SV_LAYER_USERNS}, {CLONE_NEWPID, SV_LAYER_PIDNS},
        {CLONE_NEWNS, SV_LAYER_MOUNTNS},  {CLONE_NEWNET, SV_LAYER_NETNS},
        {CLONE_NEWIPC, SV_LAYER_IPCNS},   {CLONE_NEWUTS, SV_LAYER_UTSNS},
    };
    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++)
        if ((in_namespaces & namespaces[i].flag) != 0)
            layers |= namespaces[i].layer;
    if (jail->uid_outer > 0 && (user_namespace || uid_before != getuid()))
        layers |= SV_LAYER_UID;
    return layers;
}
