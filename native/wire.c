/* wire.c - fixed-size messages with descriptors over SOCK_SEQPACKET, and fault injection. */
#define _GNU_SOURCE
#include "sv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int sv_send(int sock, const void *msg, size_t len, const int *fds, int nfds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * SV_WIRE_FDS)];
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = len};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (nfds > 0) {
        memset(&control, 0, sizeof control);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
    }
    ssize_t n;
    do
        n = nfds > 0 ? sendmsg(sock, &header, MSG_NOSIGNAL)
                     : send(sock, msg, len, MSG_NOSIGNAL); /* all that a template may */
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

ssize_t sv_recv(int sock, void *msg, size_t len, int *fds, int nfds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * SV_WIRE_FDS)];
    } control;
    struct iovec iov = {.iov_base = msg, .iov_len = len};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    for (int i = 0; i < nfds; i++)
        fds[i] = -1;
    if (nfds > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
    }
    ssize_t n;
    do
        n = recvmsg(sock, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n;
    int got = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c != NULL; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (got < nfds)
                fds[got++] = fd;
            else
                close(fd);
        }
    }
    if ((size_t)n != len || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        for (int i = 0; i < got; i++) {
            close(fds[i]);
            fds[i] = -1;
        }
        /* A control message that was cut, in a buffer that is large enough, is the kernel's way to
         * say that this process has no descriptor left. */
        errno = (header.msg_flags & MSG_CTRUNC) != 0 ? EMFILE : EBADMSG;
        return -1;
    }
    return n;
}

static const char *const stage_names[SV_STAGE_COUNT] = {
    [SV_STAGE_NONE] = "none",
    [SV_STAGE_CLONE] = "clone",
    [SV_STAGE_IDMAP] = "idmap",
    [SV_STAGE_REGION] = "region",
    [SV_STAGE_MOUNT] = "mount",
    [SV_STAGE_PIVOT] = "pivot",
    [SV_STAGE_IDENTITY] = "identity",
    [SV_STAGE_CAPABILITIES] = "capabilities",
    [SV_STAGE_RLIMIT] = "rlimit",
    [SV_STAGE_LANDLOCK] = "landlock",
    [SV_STAGE_SECCOMP] = "seccomp",
    [SV_STAGE_READY] = "ready",
    [SV_STAGE_FORK] = "fork",
    [SV_STAGE_STDIO] = "stdio",
    [SV_STAGE_SUBJECT_RLIMIT] = "subject-rlimit",
    [SV_STAGE_SUBJECT_SECCOMP] = "subject-seccomp",
    [SV_STAGE_PAYLOAD] = "payload",
    [SV_STAGE_REPLY] = "reply",
    [SV_STAGE_RECYCLE_JAIL] = "recycle-jail",
    [SV_STAGE_RECYCLE_PTRACE] = "recycle-ptrace",
    [SV_STAGE_RECYCLE_REHEARSAL] = "recycle-rehearsal",
    [SV_STAGE_RECYCLE_PAGES] = "recycle-pages",
    [SV_STAGE_RECYCLE_CHECK] = "recycle-check",
};

const char *sv_stage_name(enum sv_stage stage)
{
    return (unsigned)stage < SV_STAGE_COUNT ? stage_names[stage] : "unknown";
}

int sv_fault_at(const struct sv_fault *fault, enum sv_stage stage)
{
    if (fault == NULL || fault->stage != (int32_t)stage)
        return 0;
    if (fault->err < 0) {
        (void)kill(getpid(), -fault->err); /* pid 1 of a namespace survives this: then fall through */
        _exit(125);
    }
    errno = fault->err;
    return -1;
}
