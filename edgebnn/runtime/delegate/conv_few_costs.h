/* What convolutions of few input channels cost, in nanoseconds, by our kernels and by XNNPACK's of the same type; read by
 * conv_few_pays.c. A layer whose kernel has no line is taken only where all are asked for.
 *
 * EB_CONV_FEW_COST(type, kernel, source,
 *                  ours: per layer; per segment of a window; per group of inputs times a vector of channels; per vector of
 *                        outputs; per group of a window,
 *                  XNNPACK's: per layer; per product, and per output, of 16 channels; per window)
 *
 * A vector is the kernel's channel_multiple. XNNPACK pads the channels of a tap to eight where it uses dot products of bytes; what
 * it pads counts as products. Fitted to 77 layers each on an Intel Emerald Rapids (two virtual cores) without AMX, to 2 to 5 % on
 * average (XNNPACK's of float32 to 9 %). There XNNPACK has AVX-512 VNNI: on processors for which avxvnni, avx2 and fma are the best,
 * its kernels are slower than these lines say. The estimated lines have the speeds of inner loops by llvm-mca, on a Cortex-A76
 * (neon64dot) and A72, and of XNNPACK that it loses there in the same way. */
EB_CONV_FEW_COST(int8, avx512vnni, "measured", 1577.0, 0.756, 0.180, 3.116, 0.081, 656.0, 0.072, 2.789, 0.344)
EB_CONV_FEW_COST(int8, avxvnni, "measured", 1680.0, 0.642, 0.198, 2.590, 0.094, 701.0, 0.072, 2.986, 0.254)
EB_CONV_FEW_COST(int8, avx2, "measured", 1842.0, 0.529, 0.254, 2.955, 0.106, 724.0, 0.072, 3.111, 0.295)
EB_CONV_FEW_COST(int8, neon64dot, "estimated", 2000.0, 2.0, 0.45, 4.0, 0.1, 1000.0, 0.3, 6.0, 4.0)
EB_CONV_FEW_COST(int8, neon64, "estimated", 2000.0, 4.0, 1.4, 12.0, 0.2, 1000.0, 1.6, 12.0, 8.0)
EB_CONV_FEW_COST(int8, neon32, "estimated", 2000.0, 4.0, 1.4, 12.0, 0.2, 1000.0, 1.6, 12.0, 8.0)
EB_CONV_FEW_COST(float32, avx512, "measured", 1801.0, 0.667, 0.180, 0.328, 0.122, 880.0, 0.318, 0.0, 2.781)
EB_CONV_FEW_COST(float32, fma, "measured", 1584.0, 0.379, 0.203, 0.770, 0.142, 702.0, 0.341, 0.0, 2.945)
