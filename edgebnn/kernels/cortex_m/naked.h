/* Functions that are assembly as a whole. Compilers know nothing of what these do with their arguments: gcc would leave out those
 * that look unused if it took all calls for known, as of a static function it does not when it is "used". */
#ifndef EDGEBNN_NAKED_H
#define EDGEBNN_NAKED_H

#define EB_NAKED_FUNCTION __attribute__((naked, noinline, used))
#define EB_NAKED EB_NAKED_FUNCTION static
#define EB_UNUSED __attribute__((unused))

/* gcc takes assembly for ARMv6-M for the older syntax otherwise. */
#define EB_UNIFIED ".syntax unified\n"

#endif
