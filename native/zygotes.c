/* zygotes.c - zygotes as a pool has them: started when a template is wanted, replaced, and ended.
 *
 * In: how each is started; requests of workers.  Out: what the zygote answers, or the address of what
 * failed. Invariants: a zygote that is gone is replaced by the next request, and all that it had
 * forked has died with it; one that does not answer is killed; none is started once the pool stops, and
 * whoever waits for one then is woken. No Python runs here: any thread of the client may do it.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS 5000 /* that a zygote has to leave by itself */

/* ---- how it is started ------------------------------------------------------------------------------ */

/* A list that ends with NULL, in one piece of memory. NULL: there is none. */
static char **copy_list(const char *const *from)
{
    size_t count = 0, bytes = 0;
    for (; from[count] != NULL; count++)
        bytes += strlen(from[count]) + 1;
    char **list = malloc((count + 1) * sizeof *list + bytes);
    if (list == NULL)
        return NULL;
    char *at = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        list[i] = at;
        at = stpcpy(at, from[i]) + 1;
    }
    list[count] = NULL;
    return list;
}

int sv_zygote_create(struct zygote *z, const struct sv_zygote_spec *spec)
{
    pthread_mutex_init(&z->lock, NULL);
    z->sock = z->pidfd = -1;
    z->argv = copy_list(spec->argv);
    z->env = copy_list(spec->env);
    z->group = strdup(spec->group);
    return z->argv != NULL && z->env != NULL && z->group != NULL ? 0 : -1;
}

/* posix_spawn in a session of its own, with nothing of ours but its socket and a pipe as output: its
 * streams must see what they will see in its subjects, or they would try to seek there. An errno. */
static int execute(const struct zygote *z, int sock, int output, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawn_file_actions_init(&files);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&how);
    if (rc != 0) {
        (void)posix_spawn_file_actions_destroy(&files);
        return rc;
    }
    const int steps[] = {
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0),
        posix_spawn_file_actions_adddup2(&files, output, 1),
        posix_spawn_file_actions_adddup2(&files, output, 2),
        posix_spawn_file_actions_adddup2(&files, sock, SV_ZYGOTE_SOCK),
        posix_spawn_file_actions_addclosefrom_np(&files, SV_ZYGOTE_SOCK + 1),
        posix_spawn_file_actions_addchdir_np(&files, "/"),
        posix_spawnattr_setsigmask(&how, &none),
        posix_spawnattr_setsigdefault(&how, &all),
        posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF),
    };
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof steps[0]; i++)
        rc = steps[i];
    if (rc == 0)
        rc = posix_spawn(pid, z->argv[0], &files, &how, z->argv, z->env);
    (void)posix_spawnattr_destroy(&how);
    (void)posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Another number for it, so that no step above takes its place, nor a program that prints finds it. */
static int move_up(int *fd)
{
    const int higher = fcntl(*fd, F_DUPFD_CLOEXEC, SV_ZYGOTE_SOCK + 1);
    sv_close_fd(fd);
    *fd = higher;
    return higher < 0 ? -1 : 0;
}

static int join_group(const char *file, pid_t pid)
{
    if (file[0] == '\0')
        return 0;
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const int rc = dprintf(fd, "%d", (int)pid) > 0 ? 0 : -1, saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static void kill_zygote(int pidfd, pid_t pid)
{
    if (pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); /* ESRCH: already gone */
    else
        (void)kill(pid, SIGKILL); /* not collected yet, so the pid is still its own */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ; /* ECHILD: the client collects its children by itself */
}

/* With z->lock held. 0, or -1 with errno and nothing left of it. */
static int start(struct sv_pool *pool, struct zygote *z)
{
    int pair[2] = {-1, -1}, output[2] = {-1, -1}, pidfd = -1;
    pid_t pid = -1;
    int failed = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
                 pipe2(output, O_CLOEXEC) != 0 || move_up(&pair[0]) != 0 ||
                 move_up(&pair[1]) != 0 || move_up(&output[1]) != 0;
    if (!failed) {
        errno = execute(z, pair[1], output[1], &pid);
        failed = errno != 0;
    }
    if (!failed) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec */
        failed = pidfd < 0 || join_group(z->group, pid) != 0;
    }
    if (!failed) {
        pthread_mutex_lock(&pool->lock);
        failed = atomic_load(&pool->stop);
        if (!failed) {
            z->sock = pair[0];
            z->pidfd = pidfd;
            z->pid = pid;
            z->life++;
            z->answers = 0;
        }
        pthread_mutex_unlock(&pool->lock);
        errno = failed ? ECANCELED : 0;
    }
    const int saved = errno;
    sv_close_fd(&pair[1]);
    sv_close_fd(&output[0]);
    sv_close_fd(&output[1]);
    if (failed) {
        if (pid > 0)
            kill_zygote(pidfd, pid);
        sv_close_fd(&pidfd);
        sv_close_fd(&pair[0]);
    }
    errno = saved;
    return failed ? -1 : 0;
}

/* ---- its end ---------------------------------------------------------------------------------------- */

static void end(struct sv_pool *pool, struct zygote *z)
{
    pthread_mutex_lock(&pool->lock);
    int sock = z->sock, pidfd = z->pidfd;
    const pid_t pid = z->pid;
    z->sock = z->pidfd = -1;
    z->pid = 0;
    pthread_mutex_unlock(&pool->lock);
    if (pidfd >= 0)
        kill_zygote(pidfd, pid);
    sv_close_fd(&pidfd);
    sv_close_fd(&sock);
}

void sv_zygote_hang_up(struct zygote *z)
{
    if (z->sock >= 0)
        (void)shutdown(z->sock, SHUT_RDWR); /* its end of file, whoever else holds our end: a fork of ours */
}

void sv_zygote_destroy(struct sv_pool *pool, struct zygote *z)
{
    struct pollfd gone = {.fd = z->pidfd, .events = POLLIN};
    /* It takes its folders with it; one that has not come up yet has none. */
    while (z->pidfd >= 0 && z->answers && poll(&gone, 1, END_MS) < 0 && errno == EINTR)
        ;
    end(pool, z);
    free(z->argv);
    free(z->env);
    free(z->group);
    pthread_mutex_destroy(&z->lock);
}

/* ---- requests --------------------------------------------------------------------------------------- */

static int is_gone(const struct zygote *z)
{
    struct pollfd p = {.fd = z->sock, .events = 0};
    return z->sock < 0 || (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0);
}

int sv_zygote_ask(struct sv_pool *pool, struct zygote *z, const struct sv_spawn *request, const int fds[2],
                  struct sv_spawned *spawned, int *pidfd, uint32_t *life)
{
    pthread_mutex_lock(&z->lock);
    if (is_gone(z))
        end(pool, z);
    int failed = z->sock < 0 && start(pool, z) != 0;
    *life = z->life;
    if (!failed) {
        failed = sv_send(z->sock, request, sizeof *request, fds, 2) != 0 ||
                 sv_await(z->sock, spawned, sizeof *spawned, pidfd, 1) != 0;
        if (!failed)
            z->answers = z->came_up = 1;
        if (failed && errno == ETIMEDOUT) { /* it hangs, and must not answer the next one with this */
            end(pool, z);
            errno = ETIMEDOUT;
        }
    }
    const int saved = errno;
    pthread_mutex_unlock(&z->lock);
    errno = saved;
    return failed ? -1 : 0;
}

int sv_zygote_lost(struct zygote *z, uint32_t life)
{
    pthread_mutex_lock(&z->lock);
    const int lost = z->came_up && (z->life != life || is_gone(z));
    pthread_mutex_unlock(&z->lock);
    return lost;
}
