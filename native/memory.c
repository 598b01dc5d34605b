/* memory.c - a worker's regions: made once, filled for each row, blank again after it. */
#define _GNU_SOURCE
#include "worker.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void sv_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int sv_memory_create(struct memory *memory)
{
    memory->memfd = (int)syscall(SYS_memfd_create, "sv-region", 1u /* MFD_CLOEXEC */);
    if (memory->memfd < 0 || ftruncate(memory->memfd, sizeof *memory->region) != 0)
        return -1;
    memory->region = mmap(NULL, sizeof *memory->region, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE, memory->memfd, 0);
    if (memory->region == MAP_FAILED) {
        memory->region = NULL;
        return -1;
    }
    return 0;
}

void sv_memory_destroy(struct memory *memory)
{
    if (memory->region != NULL)
        (void)munmap(memory->region, sizeof *memory->region);
    sv_close_fd(&memory->memfd);
}

void sv_prepare(struct worker *w, enum side side, enum sv_kind kind, uint32_t cells)
{
    struct memory *m = &w->memory[side];
    m->region->kind = m->kind = (uint32_t)kind;
    m->region->cells = m->cells = cells;
}

int sv_put(struct worker *w, enum side side, const void *bytes, size_t len)
{
    struct memory *m = &w->memory[side];
    if (sv_region_put(m->region, bytes, len) != 0)
        return -1;
    m->payload_len = m->region->payload_len;
    return 0;
}

int sv_clear(struct worker *w, enum side side)
{
    struct memory *m = &w->memory[side];
    uint32_t payload_len = m->payload_len;
    m->payload_len = 0;
    return sv_region_reset(m->region, m->memfd, m->cells, payload_len, &m->used);
}

