/* What convolutions of few input channels cost, in nanoseconds, by our kernels and by XNNPACK's of the same type; read by
 * conv_few_pays.c. A layer whose kernel has no line is taken only where all are asked for.
 *
 * EB_CONV_FEW_COST(table, kernel, source,
 *                  ours: per layer; per segment of a window; per group of inputs times a vector of channels; per vector of
 *                        outputs; per group of a window,
 *                  XNNPACK's: per layer; per tap of a window; per 16 products; per 16 outputs; per window)
 *
 * A vector is the kernel's channel_multiple. Fitted to 77 layers each on an Intel Emerald Rapids (two virtual cores), where XNNPACK
 * has AVX-512 VNNI: on processors for which avxvnni, avx2 and fma are the best, XNNPACK's kernels are slower than these say.
 * The estimated lines have the speeds of inner loops by llvm-mca, on a Cortex-A76 (neon64dot) and A72, and of XNNPACK that it loses
 * there on each tap what it does elsewhere. */
EB_CONV_FEW_COST(int8, avx512vnni, "measured", 1446.0, 1.479, 0.230, 3.533, 0.076, 0.0, 4.062, 0.056, 3.44, 13.92)
EB_CONV_FEW_COST(int8, avxvnni, "measured", 1681.0, 0.744, 0.218, 2.634, 0.096, 947.0, 3.073, 0.047, 3.577, 9.90)
EB_CONV_FEW_COST(int8, avx2, "measured", 1515.0, 0.610, 0.241, 2.666, 0.090, 808.0, 2.902, 0.042, 3.786, 10.98)
EB_CONV_FEW_COST(int8, neon64dot, "estimated", 2000.0, 2.0, 0.45, 4.0, 0.1, 1000.0, 3.0, 0.3, 6.0, 10.0)
EB_CONV_FEW_COST(int8, neon64, "estimated", 2000.0, 4.0, 1.4, 12.0, 0.2, 1000.0, 6.0, 1.6, 12.0, 20.0)
EB_CONV_FEW_COST(int8, neon32, "estimated", 2000.0, 4.0, 1.4, 12.0, 0.2, 1000.0, 6.0, 1.6, 12.0, 20.0)
EB_CONV_FEW_COST(float32, avx512, "measured", 1801.0, 0.667, 0.180, 0.328, 0.122, 805.0, 0.343, 0.277, 0.0, 1.407)
EB_CONV_FEW_COST(float32, fma, "measured", 1584.0, 0.379, 0.203, 0.770, 0.142, 678.0, 0.380, 0.295, 0.0, 1.283)
