/* registers.c - the registers of a recycled subject: kept once, put back before each row.
 *
 * In: a process that this one traces, and that stands still.  Out: general registers, FPU, vectors, MXCSR,
 * PKRU, FS and GS base as they were. Invariant: what cannot be put back is told (sv_registers_call).
 */
#define _GNU_SOURCE
#include "template.h"

#if defined(__x86_64__)
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define XSTATE_MOST 16384u
#define PTRACE_GET_RSEQ 0x420f /* PTRACE_GET_RSEQ_CONFIGURATION: newer than some headers */
#define FLAGS_PUT_BACK 0x50dd5ull /* CF PF AF ZF SF TF DF OF RF AC: what PTRACE_SETREGS sets */

struct sv_registers {
    pid_t pid;
    struct user_regs_struct general;
    char xstate[XSTATE_MOST]; /* whatever XSAVE knows */
    size_t xstate_len;
};

struct sv_registers *sv_registers_take(pid_t pid, long *nr)
{
    struct sv_registers *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    struct iovec area = {r->xstate, sizeof r->xstate};
    r->pid = pid;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &r->general) != 0 ||
        ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &area) != 0) {
        free(r);
        return NULL;
    }
    r->xstate_len = area.iov_len;
    *nr = (long)r->general.orig_rax;
    r->general.orig_rax = (unsigned long long)-1; /* the call that it stopped in front of never comes */
    r->general.rax = 0;
    return r;
}

int sv_registers_put_back(const struct sv_registers *r)
{
    struct iovec area = {(void *)(uintptr_t)r->xstate, r->xstate_len};
    return ptrace(PTRACE_SETREGS, r->pid, NULL, &r->general) != 0 ||
                   ptrace(PTRACE_SETREGSET, r->pid, NT_X86_XSTATE, &area) != 0
               ? -1
               : 0;
}

int sv_registers_call(const struct sv_registers *r, long *nr, unsigned long *argument)
{
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, r->pid, NULL, &now) != 0 ||
        ((now.eflags ^ r->general.eflags) & ~FLAGS_PUT_BACK) != 0)
        return -1;
    *nr = (long)now.orig_rax;
    *argument = now.rdi;
    return 0;
}

int sv_registers_differ(const struct sv_registers *r)
{
    struct user_regs_struct now;
    char xstate[XSTATE_MOST];
    struct iovec area = {xstate, sizeof xstate};
    if (ptrace(PTRACE_GETREGS, r->pid, NULL, &now) != 0 ||
        ptrace(PTRACE_GETREGSET, r->pid, NT_X86_XSTATE, &area) != 0)
        return -1;
    if (memcmp(&now, &r->general, sizeof now) == 0 && area.iov_len == r->xstate_len &&
        memcmp(xstate, r->xstate, r->xstate_len) == 0)
        return 0;
    errno = EUCLEAN;
    return -1;
}

int sv_registers_skip(const struct sv_registers *r)
{
    struct user_regs_struct now;
    if (ptrace(PTRACE_GETREGS, r->pid, NULL, &now) != 0)
        return -1;
    now.orig_rax = (unsigned long long)-1;
    now.rax = 0;
    return ptrace(PTRACE_SETREGS, r->pid, NULL, &now) == 0 ? 0 : -1;
}

uint64_t sv_registers_rseq(pid_t pid)
{
    struct {
        uint64_t at;
        uint32_t size, signature, flags, reserved;
    } rseq = {0};
    const long n = ptrace(PTRACE_GET_RSEQ, pid, (void *)sizeof rseq, &rseq); // NOLINT: a size in its place
    return n >= (long)sizeof rseq.at ? rseq.at : 0; /* a kernel without it */
}

#endif
