/* What layers with 1-bit weights cost, in multiply-accumulates of XNNPACK's int8 kernels on the same processor; read by
 * int8_pays.c, and by edgebnn/runtime/w1a8_costs.py, which needs a line each.
 *
 * EB_W1A8_COST(kernel, int8 kernels of the processor, source,
 *              per input value, whose tables are made once; per product; per output; an int8 output)
 *
 * A product is counted for each channel of the kernel's tile, whether it exists or not. The measured lines were fitted to
 * 40 layers and more. VNNI's, on Zen 4, tell rightly which gain, but for two within a tenth of even. VNNI_WIDE's, on Zen 5
 * (two cores, virtual), holds for no layer that loses, and misses some that gain 19 % at most.
 * The others have the shape of those, with the speeds of inner loops on other processors (XNNPACK's there not measured);
 * avxvnni's is of the same instruction in AVX-512's encoding, on Zen 4. */
EB_W1A8_COST(avx512, EB_INT8_VNNI, "measured", 68.0, 0.45, 88.0, 24.0)
EB_W1A8_COST(avx512, EB_INT8_VNNI_WIDE, "measured", 52.0, 0.56, 274.0, 107.0)
EB_W1A8_COST(avx2, EB_INT8_VNNI, "measured", 72.0, 1.5, 150.0, 24.0)
EB_W1A8_COST(avxvnni, EB_INT8_VNNI, "estimated", 4.0, 1.1, 170.0, 24.0)
EB_W1A8_COST(avx512, EB_INT8_WIDENING, "estimated", 20.0, 0.15, 26.0, 7.0)
EB_W1A8_COST(avx2, EB_INT8_WIDENING, "estimated", 21.0, 0.35, 44.0, 7.0)
EB_W1A8_COST(neon64dot, EB_INT8_DOT, "estimated", 2.0, 1.1, 30.0, 48.0)
EB_W1A8_COST(neon64, EB_INT8_WIDENING, "estimated", 36.0, 0.57, 75.0, 12.0)
EB_W1A8_COST(neon64, EB_INT8_DOT, "estimated", 145.0, 2.3, 300.0, 48.0)
EB_W1A8_COST(neon32, EB_INT8_WIDENING, "estimated", 36.0, 0.57, 75.0, 12.0)
