/* zygote.c - the warm interpreter outside the jail: forks templates on request.
 *
 * In: spawn requests over a socket.  Out: a pidfd for each.  Invariant: the zygote never sees a
 * job, so nothing of one job can reach a template of the next.
 *
 * Namespaces are asked for in falling order: all of them in a user namespace; all of them with
 * root's own power; none. What was had is reported by the template when it is locked in.
 */
#define _GNU_SOURCE
#include "sv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum word { OWN_UID = 'u', CALLERS_UID = 'c' }; /* zygote -> new template: who it is outside */

static pid_t raw_clone(unsigned long flags, int *pidfd)
{
    /* The raw call: no at-fork handlers, no second stack. The interpreter has one thread. */
#if defined(__x86_64__) || defined(__aarch64__)
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD | CLONE_PIDFD, NULL, pidfd, NULL, NULL);
#endif
}

static int write_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int saved = errno;
    close(fd);
    errno = saved;
    return n < 0 ? -1 : 0;
}

static int write_maps(pid_t pid, const char *map)
{
    return write_file(pid, "gid_map", map) != 0 || write_file(pid, "uid_map", map) != 0 ? -1 : 0;
}

/* Who the template is outside: a uid of its own where we are root and such uids are to be had, else
 * ourselves. Returns whether it has one of its own, or -1. */
static int map_identity(pid_t pid, int uid_outer)
{
    char map[96];
    if (geteuid() == 0 && uid_outer > 0) {
        (void)snprintf(map, sizeof map, "0 0 1\n%d %d 1\n", SV_UID_INNER, uid_outer);
        if (write_maps(pid, map) == 0)
            return 1;
        if (errno != EPERM && errno != EINVAL)
            return -1; /* else: root without CAP_SETUID, or such a uid is not ours to give */
    }
    if (write_file(pid, "setgroups", "deny") != 0 && errno != ENOENT && errno != EPERM)
        return -1;
    (void)snprintf(map, sizeof map, "%d %d 1\n", SV_UID_INNER, (int)getegid());
    if (write_file(pid, "gid_map", map) != 0 && errno != EPERM) /* EPERM: it is written already */
        return -1;
    (void)snprintf(map, sizeof map, "%d %d 1\n", SV_UID_INNER, (int)geteuid());
    return write_file(pid, "uid_map", map) != 0 ? -1 : 0;
}

static uint64_t own_vm_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 256u << 20; /* no /proc: more than any warm interpreter maps */
    if (fscanf(f, "%lu", &pages) != 1)
        pages = (256u << 20) / 4096;
    (void)fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Processes and threads on the machine; 0: no /proc. */
static uint64_t tasks_on_machine(void)
{
    unsigned long tasks = 0;
    FILE *f = fopen("/proc/loadavg", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*s %*s %*s %*[0-9]/%lu", &tasks) != 1)
        tasks = 0;
    (void)fclose(f);
    return tasks;
}

/* ---- scratch folders, where there is no private tmpfs ---------------------------------------- */

/* Empties one folder: files go, folders in it move up to `root` under new names, so that however
 * deep a program dug, no path is long and nothing recurses. Returns whether it is gone. */
static int remove_folder(int root, const char *name, unsigned *next)
{
    (void)fchmodat(root, name, 0700, AT_SYMLINK_NOFOLLOW);
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char up[32];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            unlinkat(fd, entry->d_name, 0) == 0)
            continue;
        (void)fchmodat(fd, entry->d_name, 0700, AT_SYMLINK_NOFOLLOW); /* else it cannot be moved */
        do
            (void)snprintf(up, sizeof up, "sv-%u", (*next)++);
        while (renameat(fd, entry->d_name, root, up) != 0 && errno == ENOTEMPTY);
    }
    (void)closedir(folder);
    return unlinkat(root, name, AT_REMOVEDIR) == 0;
}

void sv_remove_tree(const char *path)
{
    if (rmdir(path) == 0) /* empty, as most are: that takes no descriptor */
        return;
    (void)fchmodat(AT_FDCWD, path, 0700, AT_SYMLINK_NOFOLLOW);
    int root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = root < 0 ? NULL : fdopendir(root);
    if (folder == NULL) {
        if (root >= 0)
            close(root);
        return;
    }
    int removed = 1;
    for (unsigned next = 0; removed > 0; rewinddir(folder)) {
        removed = 0;
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                removed += unlinkat(root, entry->d_name, 0) == 0 ||
                           remove_folder(root, entry->d_name, &next);
    }
    (void)closedir(folder);
    (void)rmdir(path);
}

/* Whether children are left. */
static int reap(const struct sv_jail *jail)
{
    char path[PATH_MAX];
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        (void)snprintf(path, sizeof path, "%s/%d", jail->scratch, (int)pid);
        if (access(path, F_OK) == 0)
            sv_remove_tree(path);
    }
    return pid == 0;
}

/* Templates see the end as we do; nobody may be left to collect them once we are gone. Those that
 * take longer die with us. */
static void reap_last(const struct sv_jail *jail)
{
    const struct timespec moment = {0, 2000000};
    for (int i = 0; i < 500 && reap(jail); i++)
        (void)nanosleep(&moment, NULL);
}

static int own_scratch(struct sv_jail *jail)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%d", jail->scratch, (int)getpid()) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdir(path, 0700) != 0)
        return -1;
    if (geteuid() == 0 && jail->uid_outer > 0 &&
        chown(path, (uid_t)jail->uid_outer, (gid_t)jail->uid_outer) != 0)
        return -1;
    jail->scratch = strdup(path);
    return jail->scratch == NULL ? -1 : 0;
}

/* ---- the new template ------------------------------------------------------------------------ */

static _Noreturn void fail(int control, struct sv_error error)
{
    struct sv_ready ready = {.error = error};
    (void)sv_send(control, &ready, sizeof ready, NULL, 0);
    _exit(1);
}

static void become_template(struct sv_template_state *state, const struct sv_spawn *spawn, int control,
                            int region_fd, unsigned long flags, int userns_errno)
{
    struct sv_error error = {0, 0};
    int landlock_errno = 0;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        fail(control, (struct sv_error){SV_STAGE_CLONE, errno});
    state->recycle = spawn->recycle;
    state->fault = spawn->fault;
    state->jail->keeper = spawn->recycle != SV_RECYCLE_OFF;
    void *region = MAP_FAILED;
    if (sv_fault_at(&spawn->fault, SV_STAGE_REGION) == 0)
        region = mmap(NULL, sizeof(struct sv_region), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, region_fd, 0);
    if (region == MAP_FAILED)
        fail(control, (struct sv_error){SV_STAGE_REGION, errno});
    close(region_fd);
    /* On the host's own root a uid of its own could not import what it cannot read: better the
     * caller's uid, without capabilities and under Landlock (sv_jail_enter insists on it). */
    if ((flags & CLONE_NEWNS) == 0 && !state->jail->host_in_reach) {
        state->jail->uid_counted = geteuid() == 0 ? state->jail->uid_outer : 0;
        state->jail->uid_outer = -1;
    }
    if ((flags & CLONE_NEWNS) == 0 && own_scratch(state->jail) != 0)
        fail(control, (struct sv_error){SV_STAGE_MOUNT, errno});
    if ((flags & CLONE_NEWPID) == 0)
        state->tasks_outside = tasks_on_machine();
    int layers = sv_jail_enter(state->jail, (int)flags, &spawn->fault, &error, &landlock_errno);
    if (layers < 0)
        fail(control, error);
    state->control = control;
    state->in_pid_namespace = (flags & CLONE_NEWPID) != 0;
    state->own_uid = (layers & SV_LAYER_UID) != 0 ||
                     (state->jail->uid_counted > 0 && getuid() == (uid_t)state->jail->uid_counted);
    state->region = region;
    state->base_vm_bytes += sizeof(struct sv_region);
    state->scratch_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->scratch_fd < 0)
        fail(control, (struct sv_error){SV_STAGE_MOUNT, errno});
    if (state->recycle != SV_RECYCLE_OFF) {
        const int needed = SV_LAYER_PIDNS | SV_LAYER_MOUNTNS | SV_LAYER_LANDLOCK;
        errno = ENOTSUP;
        if ((layers & needed) != needed || sv_fault_at(&spawn->fault, SV_STAGE_RECYCLE_JAIL) != 0)
            fail(control, (struct sv_error){SV_STAGE_RECYCLE_JAIL, errno});
        return; /* ready when its subject is */
    }
    struct sv_ready ready = {
        .layers = (uint32_t)layers, .landlock_errno = landlock_errno, .userns_errno = userns_errno};
    if (sv_fault_at(&spawn->fault, SV_STAGE_READY) != 0 ||
        sv_send(control, &ready, sizeof ready, NULL, 0) != 0)
        _exit(1);
}

/* Forks with the namespaces that can be had: *flags gets which, *userns_errno why not all. */
static pid_t clone_template(const struct sv_jail *jail, unsigned long *flags, int *userns_errno, int *pidfd)
{
    *flags = jail->clone_flags;
    pid_t pid = raw_clone(*flags, pidfd);
    if (pid < 0 && (*flags & CLONE_NEWUSER) != 0) {
        *userns_errno = errno;
        *flags = geteuid() == 0 ? *flags & ~(unsigned long)CLONE_NEWUSER : 0;
        pid = raw_clone(*flags, pidfd);
    }
    if (pid < 0 && *flags != 0) {
        if (*userns_errno == 0)
            *userns_errno = errno;
        *flags = 0;
        pid = raw_clone(*flags, pidfd);
    }
    return pid;
}

/* In the zygote: says to the new template who it is. 0, or -1 with errno. */
static int introduce(pid_t pid, const struct sv_jail *jail, const struct sv_fault *fault,
                     unsigned long flags, int go)
{
    int own = 1;
    if (sv_fault_at(fault, SV_STAGE_IDMAP) != 0)
        return -1;
    if ((flags & CLONE_NEWUSER) != 0 && (own = map_identity(pid, jail->uid_outer)) < 0)
        return -1;
    const char word = own ? OWN_UID : CALLERS_UID;
    return write(go, &word, 1) == 1 ? 0 : -1;
}

/* Returns 1 in the new template, 0 in the zygote. */
static int spawn_template(int sock, struct sv_jail *jail, const struct sv_spawn *spawn,
                          const int fds[SV_WIRE_FDS], struct sv_template_state *state)
{
    struct sv_spawned reply = {.error = {0, 0}, .pid = -1};
    int go[2], pidfd = -1, userns_errno = 0;
    pid_t pid = -1;
    unsigned long flags = 0;

    if (pipe2(go, O_CLOEXEC) != 0) {
        reply.error = (struct sv_error){SV_STAGE_CLONE, errno};
        goto answer;
    }
    if (sv_fault_at(&spawn->fault, SV_STAGE_CLONE) == 0)
        pid = clone_template(jail, &flags, &userns_errno, &pidfd);
    if (pid == 0) {
        char word, start;
        close(sock);
        close(go[1]);
        ssize_t n = read(go[0], &word, 1); /* until our identity is mapped */
        close(go[0]);
        /* The worker says so once it has the pidfd: before, it could not wait for our end, and might
         * give the region to another. */
        if (n != 1 || sv_recv(fds[0], &start, sizeof start, NULL, 0) != sizeof start)
            _exit(1);
        if (word == CALLERS_UID)
            jail->uid_outer = -1;
        memcpy(state->stdio, fds + 2, sizeof state->stdio);
        become_template(state, spawn, fds[0], fds[1], flags, userns_errno);
        return 1;
    }
    int saved = errno;
    close(go[0]);
    reply.pid = pid;
    if (pid < 0) {
        reply.error = (struct sv_error){SV_STAGE_CLONE, saved};
    } else if (introduce(pid, jail, &spawn->fault, flags, go[1]) != 0) {
        reply.error = (struct sv_error){SV_STAGE_IDMAP, errno};
        (void)kill(pid, SIGKILL);
    }
    close(go[1]);
answer:
    if (sv_send(sock, &reply, sizeof reply, &pidfd, pidfd >= 0 ? 1 : 0) != 0 && pid > 0)
        (void)kill(pid, SIGKILL); /* nobody waits for it */
    if (pidfd >= 0)
        close(pidfd);
    return 0;
}

int sv_zygote_serve(int sock, struct sv_jail *jail, struct sv_template_state *state)
{
    const int uid_base = jail->uid_outer;
    state->jail = jail;
    state->base_vm_bytes = own_vm_bytes();
    for (;;) {
        struct sv_spawn spawn;
        int fds[SV_WIRE_FDS];
        ssize_t n = sv_recv(sock, &spawn, sizeof spawn, fds, SV_WIRE_FDS);
        if (n == 0) {
            reap_last(jail);
            return 0;
        }
        if (n < 0)
            return -1;
        (void)reap(jail);
        if (uid_base > 0)
            jail->uid_outer = uid_base + spawn.uid_offset;
        int in_template = fds[0] >= 0 && fds[1] >= 0 &&
                          spawn_template(sock, jail, &spawn, fds, state);
        if (in_template)
            return 1;
        for (int i = 0; i < SV_WIRE_FDS; i++)
            if (fds[i] >= 0)
                close(fds[i]);
    }
}
