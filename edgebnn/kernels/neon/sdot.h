/* The dot product of AArch64 processors from Cortex-A55 and A76 on: EB_SDOT(sum, weights, inputs, lane) adds to each of four
 * int32 the products of its four bytes of weights and those of the given lane of inputs. In assembly, so that files need no
 * flags, on which compilers do not agree. */
#ifndef EDGEBNN_SDOT_H
#define EDGEBNN_SDOT_H

#if defined(__ARM_FEATURE_DOTPROD)
#define EB_WITH_DOT_PRODUCTS ""
#else
#define EB_WITH_DOT_PRODUCTS ".arch armv8.2-a+dotprod\n\t"
#endif
#define EB_SDOT(sum, weights, inputs, lane)                            \
  __asm__(EB_WITH_DOT_PRODUCTS "sdot %0.4s, %1.16b, %2.4b[" #lane "]" \
          : "+w"(sum)                                                  \
          : "w"(weights), "w"(inputs))

#endif
