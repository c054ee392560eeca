/* Counts how often every translated block runs: a hook for UC_HOOK_BLOCK, compiled for this machine.
 *
 * A block is known by its address and size: the emulator may cut the code around an address in several ways. It is
 * left by a taken branch if another one follows it than the one behind it. */
#include <stdint.h>

typedef struct {
    uint64_t executions;
    uint64_t taken; /* how often what ran next was not what lies behind it */
    uint32_t address;
    uint32_t size;
} eb_block;

typedef struct {
    eb_block *blocks;     /* an open hash table */
    uint32_t mask;        /* its length less one, a power of two less one */
    uint32_t used;        /* entries that are taken */
    uint64_t remaining;   /* blocks that may still run */
    eb_block *last;       /* the one that runs, or null */
    int32_t (*stop)(void *engine);
    uint32_t failed;      /* 1: no time remains, 2: the table is full */
} eb_counter;

__attribute__((visibility("default")))
void eb_count_block(void *engine, uint64_t address, uint32_t size, void *user_data)
{
    eb_counter *counter = user_data;
    const uint32_t here = (uint32_t)address;
    uint32_t slot = ((here >> 1) * 2654435761u >> 8) & counter->mask;
    eb_block *block = &counter->blocks[slot];
    while (block->executions && (block->address != here || block->size != size)) {
        slot = (slot + 1) & counter->mask;
        block = &counter->blocks[slot];
    }
    if (!block->executions) {
        block->address = here;
        block->size = size;
        if (++counter->used > counter->mask / 4 * 3)
            counter->failed = 2;
    }
    ++block->executions;
    if (counter->last && counter->last->address + counter->last->size != here)
        ++counter->last->taken;
    counter->last = block;
    if (!counter->remaining--)
        counter->failed = 1;
    if (counter->failed)
        counter->stop(engine);
}
