/* What the kernels of W1A8 convolution cost, in multiply-accumulates of XNNPACK's int8 kernels on the same processor; read by
 * w1a8_costs.c, and by edgebnn/runtime/w1a8_costs.py, which needs a line each.
 *
 * EB_W1A8_COST(kernel, int8 arithmetic of the processor (enum eb_int8_arithmetic), source, channels computed together,
 *              per input value that is staged, once; per input value for each block of channels computed together, which
 *              reads its tables from the caches; per product; per output; per weight, which may be expanded once;
 *              int8: per output; per weight, which is read once for a few pixels)
 *
 * A product is counted for each of the channels computed together, whether it exists or not. The measured lines were fitted
 * to 40 layers and more. VNNI's, on Zen 4, tell rightly which gain, but for two within a tenth of even. VNNI_WIDE's, on Zen 5
 * (two cores, virtual, other work beside), were fitted to 111 layers, both kernels and int8 in turn, and tried on 108 others: errors are of 11, 15 and
 * 7 % on average, and the kernel that they choose takes 0.6 % longer than the faster one on average and 15 % at most.
 * WIDENING's of x86, on Zen 3 (two virtual cores, other load on the machine), were fitted to 103 layers, both kernels
 * and int8 in turn: errors are of 20 % on average (of 9 %, int8's), most of them both kernels' alike, and the kernel that they choose
 * takes 0.1 % longer than the faster one on average and 5 % at most. WIDENING_WIDE's of avx2mul are those at half the speed. The others have the shape of those, with the speeds of inner loops on other processors (XNNPACK's there not measured);
 * avxvnni's is of the same instruction in AVX-512's encoding, on Zen 4. AMX's, on Emerald Rapids (two cores, virtual), have
 * avx512vnni's shape as it was fitted there to int8 without AMX. */
EB_W1A8_COST(avx512, VNNI, "measured", 64, 68.0, 0.0, 0.45, 88.0, 0.0, 24.0, 1.0)
EB_W1A8_COST(avx512, VNNI_WIDE, "measured", 64, 78.0, 7.4, 0.57, 87.0, 2.8, 40.0, 3.9)
EB_W1A8_COST(avx512vnni, VNNI, "estimated", 16, 4.0, 0.0, 1.05, 25.0, 6.0, 24.0, 1.0)
EB_W1A8_COST(avx512vnni, VNNI_WIDE, "measured", 16, 14.6, 0.0, 0.94, 49.5, 8.8, 40.0, 3.9)
EB_W1A8_COST(avx512vnni, AMX, "measured", 16, 9.0, 0.0, 1.8, 50.0, 14.0, 69.0, 15.0)
EB_W1A8_COST(avx512, AMX, "measured", 64, 69.0, 0.0, 2.6, 82.0, 0.0, 69.0, 15.0)
EB_W1A8_COST(avx2, VNNI, "measured", 32, 72.0, 0.0, 1.5, 150.0, 0.0, 24.0, 1.0)
EB_W1A8_COST(avxvnni, VNNI, "estimated", 16, 4.0, 0.0, 1.1, 170.0, 6.0, 24.0, 1.0)
EB_W1A8_COST(avx512, WIDENING_WIDE, "estimated", 64, 20.0, 0.0, 0.15, 26.0, 0.0, 7.0, 1.0)
EB_W1A8_COST(avx2mul, WIDENING_WIDE, "estimated", 8, 3.0, 0.0, 0.74, 34.0, 1.2, 26.0, 0.5)
EB_W1A8_COST(avx2mul, WIDENING, "measured", 8, 2.0, 0.0, 0.372, 17.0, 0.6, 26.0, 0.5)
EB_W1A8_COST(avx2, WIDENING, "measured", 32, 3.5, 0.0, 0.345, 55.0, 0.0, 26.0, 0.5)
EB_W1A8_COST(neon64dot, DOT, "estimated", 16, 2.0, 0.0, 1.1, 30.0, 6.0, 48.0, 1.0)
EB_W1A8_COST(neon64, WIDENING, "estimated", 32, 36.0, 0.0, 0.57, 75.0, 0.0, 12.0, 1.0)
EB_W1A8_COST(neon64, DOT, "estimated", 32, 145.0, 0.0, 2.3, 300.0, 0.0, 48.0, 1.0)
EB_W1A8_COST(neon32, WIDENING, "estimated", 32, 36.0, 0.0, 0.57, 75.0, 0.0, 12.0, 1.0)
