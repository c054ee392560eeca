/* A whole firmware's main, for boards whose debugger, or emulator, does for it what a program asks: it runs what it was
 * made for, writes the outputs to a file beside the debugger, and ends with an exit code.
 * Semihosting for AArch32 and AArch64, release 2.0 (Arm IHI 0095). */
#include <stddef.h>
#include <stdint.h>

#include "case.h"

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITE = 0x05, SYS_EXIT = 0x18, SYS_EXIT_EXTENDED = 0x20 };
enum { FOR_WRITING_BYTES = 5, APPLICATION_EXIT = 0x20026 };

static uint32_t ask(uint32_t operation, const void *parameters)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = parameters;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(uint32_t code)
{
    const uint32_t reason[2] = {APPLICATION_EXIT, code};
    ask(SYS_EXIT_EXTENDED, reason);
}

int main(void)
{
    static const char name[] = "outputs.bin";
    const uint32_t opened[3] = {(uint32_t)(uintptr_t)name, FOR_WRITING_BYTES, sizeof name - 1};
    const int failed = eb_case_run();
    const uint32_t file = ask(SYS_OPEN, opened);
    for (size_t i = 0; i < EB_CASE_OUTPUTS; i++) {
        const uint32_t written[3] = {file, (uint32_t)(uintptr_t)eb_case_outputs[i].data, eb_case_outputs[i].bytes};
        if (ask(SYS_WRITE, written) != 0)
            leave(3);
    }
    ask(SYS_CLOSE, &file);
    leave(failed ? 2 : 0);
    return 0;
}

/* In place of start-up's: an exit code tells it from an output that is wrong. */
void eb_fault(void);
void eb_fault(void) { leave(4); }
