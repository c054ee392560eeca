/* What runs before main: the vector table, and initialised data. One file for every core and for both compilers. */
#include <stdint.h>

extern uint32_t eb_stack_top[], eb_data_load[], eb_data_start[], eb_data_end[], eb_bss_start[], eb_bss_end[];
extern int main(void);
void eb_reset(void);
void eb_halt(void);
void eb_fault(void);

/* The linker puts the first word, the initial stack pointer, here. */
__attribute__((section(".vectors"), used)) void (*const eb_vectors[16])(void) = {
    (void (*)(void))(uintptr_t)eb_stack_top,
    eb_reset,
    eb_fault, eb_fault, eb_fault, eb_fault, eb_fault, eb_fault, /* NMI, and the faults */
    0, 0, 0, eb_fault, eb_fault, 0, eb_fault, eb_fault,         /* SVCall, debug, PendSV, SysTick */
};

/* What is simulated calls functions by itself; a whole firmware has a main. */
__attribute__((weak)) int main(void) { return 0; }

/* Where a run ends. */
__attribute__((noinline, used)) void eb_halt(void)
{
    for (;;)
        __asm volatile("");
}

__attribute__((weak)) void eb_fault(void) { eb_halt(); }

void eb_reset(void)
{
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: lets instructions of the vector unit through */
    __asm volatile("dsb\n isb" ::: "memory");
#endif
    const uint32_t *from = eb_data_load;
    for (uint32_t *to = eb_data_start; to < eb_data_end;)
        *to++ = *from++;
    for (uint32_t *to = eb_bss_start; to < eb_bss_end;)
        *to++ = 0;
    main();
    eb_halt();
}
