/* What convolutions of few input channels cost, in nanoseconds, by our kernels and by XNNPACK's of the same type; read by
 * conv_few_pays.c, which takes the first line that fits. A layer whose kernel has no line is taken only where all are asked for.
 *
 * EB_CONV_FEW_COST(type, kernel, what the processor must not have, for XNNPACK not to have it either, the int8 arithmetic that it
 *                  must have (enum eb_int8_arithmetic, or ANY), source, most input channels,
 *                  ours: per layer; per segment of a window; per group of inputs times a vector of channels; per vector of
 *                        outputs; per group of a window,
 *                  XNNPACK's: channels of a vector; per layer; per product, and per output, of a vector; per window)
 *
 * A vector of ours is the kernel's channel_multiple. XNNPACK pads the channels of a tap to eight where it multiplies bytes; what
 * it pads counts as products. Most lines were fitted to 77 layers each on an Intel Emerald Rapids (two virtual cores) without AMX,
 * to 2 to 5 % on average (XNNPACK's of float32 to 9 %). There XNNPACK has AVX-512 VNNI: on processors for which avxvnni and fma are
 * the best, its kernels are slower than these lines say. With AMX it is slower on such layers: that line was fitted to 2220 of them,
 * drawn at random, on an Emerald Rapids too (ours to 19 %, XNNPACK's to 22 % on average); of the 97 % that it takes seven in 3809
 * timings lost. The line of avx2 without dot products of bytes is of Zen 3 (two virtual cores, other work on them): 1417 layers, to
 * 21 % (ours) and 12 %; of 1336 that it takes none is slower so; of more channels (ten layers), where XNNPACK pads nothing, it makes
 * XNNPACK's up to 1.9 times as slow as it is, but takes none that loses. The estimated lines have the speeds of inner loops by llvm-mca, on a Cortex-A76 (neon64dot) and A72, and of XNNPACK that it loses
 * there in the same way. */
EB_CONV_FEW_COST(int8, avx512vnni, EB_CPU_ANY, EB_INT8_AMX, "measured", 4, 1250.0, 0.904, 0.197, 3.982, 0.142, 64, 1147.0, 0.479, 11.858, 7.299)
EB_CONV_FEW_COST(int8, avx512vnni, EB_CPU_ANY, ANY, "measured", 4, 1577.0, 0.756, 0.180, 3.116, 0.081, 16, 656.0, 0.072, 2.789, 0.344)
EB_CONV_FEW_COST(int8, avxvnni, EB_CPU_ANY, ANY, "measured", 4, 1680.0, 0.642, 0.198, 2.590, 0.094, 16, 701.0, 0.072, 2.986, 0.254)
EB_CONV_FEW_COST(int8, avx2, EB_CPU_AVX_VNNI | EB_CPU_AVX512_BW, ANY, "measured", 1024, 2606.0, 0.124, 0.263, 3.855, 0.329, 8, 1357.0, 0.328, 3.408, 1.523)
EB_CONV_FEW_COST(int8, avx2, EB_CPU_ANY, ANY, "measured", 4, 1842.0, 0.529, 0.254, 2.955, 0.106, 16, 724.0, 0.072, 3.111, 0.295)
EB_CONV_FEW_COST(int8, neon64dot, EB_CPU_ANY, ANY, "estimated", 4, 2000.0, 2.0, 0.45, 4.0, 0.1, 16, 1000.0, 0.3, 6.0, 4.0)
EB_CONV_FEW_COST(int8, neon64, EB_CPU_ANY, ANY, "estimated", 4, 2000.0, 4.0, 1.4, 12.0, 0.2, 16, 1000.0, 1.6, 12.0, 8.0)
EB_CONV_FEW_COST(int8, neon32, EB_CPU_ANY, ANY, "estimated", 4, 2000.0, 4.0, 1.4, 12.0, 0.2, 16, 1000.0, 1.6, 12.0, 8.0)
EB_CONV_FEW_COST(float32, avx512, EB_CPU_ANY, ANY, "measured", 4, 1801.0, 0.667, 0.180, 0.328, 0.122, 16, 880.0, 0.318, 0.0, 2.781)
EB_CONV_FEW_COST(float32, fma, EB_CPU_ANY, ANY, "measured", 4, 1584.0, 0.379, 0.203, 0.770, 0.142, 16, 702.0, 0.341, 0.0, 2.945)
