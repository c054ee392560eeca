"""C whose code has a bit of everything: tables, IT blocks, recursion, soft floats, block transfers."""

from __future__ import annotations

MIXED = """
#include <stdint.h>
#include <string.h>
int8_t table[64] = {5, 4, 3};
static uint8_t bytes[100];
int depth(int n) { return n < 2 ? n : depth(n - 1) + depth(n - 2); }
int choose(int n)
{
    switch (n % 7) {
    case 0: return 5;
    case 1: return n * 3;
    case 2: return -n;
    case 3: return n / 5;
    case 4: return n > 40 ? 1 : 2;
    case 5: return (int)((int64_t)n * 123456789 >> 31);
    default: return table[n & 63];
    }
}
int32_t mixed(const int8_t *x, int n, int32_t *out)
{
    int32_t sum = 0, highest = -1000;
    float product = 1.0f;
    for (int i = 0; i < n; ++i) {
        highest = x[i] > highest ? x[i] : highest;
        sum += x[i] < 0 ? -x[i] * 2 : x[i] + choose(i);
        product *= 1.0f + (float)x[i] / 1000.0f;
        bytes[i % 100] = (uint8_t)sum;
    }
    memcpy(out + 1, bytes, sizeof bytes);
    memset(bytes, 3, sizeof bytes);
    memcpy(out, &product, 4);
    return sum + highest * 1000 + depth(9);
}
"""
