"""Integer arithmetic in NumPy: bit packing, fixed-point requantization, binary dot products.

Everything else in edgebnn (the graph's reference executor, the C kernels, generated code) is compared with this.
"""
