// The 36 small matrix products of a Winograd convolution, where nearly all of the time goes.
//
// Transformed filters lie as [position][block of 16 outputs][input][16], where the last block has 8 outputs if their
// number leaves a remainder: so a product reads them in one stream. A kernel holds ROWS x 16 sums in registers: 6 x 16
// sums in vectors of 8 are 12 registers, enough to hide the latency of two fused multiply-adds a cycle, and leave four
// registers to load into. Vectors of 16 have 32 registers, and twice the rows.
#pragma once
#include "winograd.hpp"

namespace idml {
namespace {

INLINE Index filter_stride(int inputs, int outputs) { return (Index)inputs * outputs + 16; }

// Where the filters of an input and eight outputs from `output` on lie, within a position.
INLINE Index filter_place(int output, int input, int inputs, int outputs) {
  const int block = output & ~15;
  return (Index)block * inputs + (block + 16 <= outputs ? input * 16 + (output & 8) : input * 8);
}

// products[row][output] = sum over inputs k, in ascending order, of inputs[row][k] * filters[k][output].
template <class V, int ROWS, int VECTORS>
INLINE void multiply_rows(const float* v, const float* u, float* m, Index inputs, Index outputs) {
  constexpr int W = LANES<V>;
  V sums[ROWS][VECTORS];
  UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int n = 0; n < VECTORS; n++) sums[r][n] = zero<V>();
  UNROLL_4 for (Index k = 0; k < inputs; k++) {
    V w[VECTORS];
    UNROLL for (int n = 0; n < VECTORS; n++) w[n] = load<V>(u + VECTORS * W * k + W * n);
    UNROLL for (int r = 0; r < ROWS; r++) {
      const V x = splat<V>(v[r * inputs + k]);
      UNROLL for (int n = 0; n < VECTORS; n++) sums[r][n] = fma(x, w[n], sums[r][n]);
    }
  }
  UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int n = 0; n < VECTORS; n++) store(m + r * outputs + W * n, sums[r][n]);
}

// Each position's product for `tiles` rows. Rows beyond the last are computed with, from what lies there, and never read.
template <int INPUTS>
NOINLINE void multiply(const float* v, const float* u, float* m, int tiles, int inputs, int outputs) {
  const Index k = INPUTS ? INPUTS : inputs, stride = filter_stride(inputs, outputs);
  for (int position = 0; position < POSITIONS; position++, v += STRIDE, m += STRIDE, u += stride) {
    int c = 0;
    for (; c + 16 <= outputs; c += 16)
      for (int t = 0; t < tiles; t += 6) multiply_rows<Vec8, 6, 2>(v + t * k, u + c * k, m + (Index)t * outputs + c, k, outputs);
    if (c < outputs) {
      int t = 0;
      for (; t + 6 < tiles; t += 12) multiply_rows<Vec8, 12, 1>(v + t * k, u + c * k, m + (Index)t * outputs + c, k, outputs);
      if (t < tiles) multiply_rows<Vec8, 6, 1>(v + t * k, u + c * k, m + (Index)t * outputs + c, k, outputs);
    }
  }
}

// sums[row][output] += sum over tiles, in their order, of inputs[tile][row] * gradients[tile][output].
template <class V, int ROWS, int VECTORS>
INLINE void multiply_tiles(const float* v, const float* d, float* sums, int tiles, Index inputs, Index outputs) {
  constexpr int W = LANES<V>;
  V a[ROWS][VECTORS];
  UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int n = 0; n < VECTORS; n++) a[r][n] = load<V>(sums + W * (VECTORS * r + n));
  UNROLL_2 for (int t = 0; t < tiles; t++, v += inputs, d += outputs) {
    V w[VECTORS];
    UNROLL for (int n = 0; n < VECTORS; n++) w[n] = load<V>(d + W * n);
    UNROLL for (int r = 0; r < ROWS; r++) {
      const V x = splat<V>(v[r]);
      UNROLL for (int n = 0; n < VECTORS; n++) a[r][n] = fma(x, w[n], a[r][n]);
    }
  }
  UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int n = 0; n < VECTORS; n++) store(sums + W * (VECTORS * r + n), a[r][n]);
}

// Adds a block of tiles to the transformed gradient of the filters, which lies as the filters do.
NOINLINE void add_filter_gradients(const float* v, const float* d, float* g, int tiles, int inputs, int outputs) {
  const Index stride = filter_stride(inputs, outputs);
  // Rows of 6 and 5 that meet the number of inputs: every multiple of 8 from 16 on is such a sum.
  const int sixes = inputs - 5 * ((6 - inputs % 6) % 6);
  for (int position = 0; position < POSITIONS; position++, v += STRIDE, d += STRIDE, g += stride) {
    int c = 0;
    for (; c + 16 <= outputs; c += 16) {
      float* block = g + (Index)c * inputs;
      int i = 0;
      if (inputs == 8)
        for (; i < inputs; i += 4) multiply_tiles<Vec8, 4, 2>(v + i, d + c, block + 16 * i, tiles, inputs, outputs);
      for (; i < sixes; i += 6) multiply_tiles<Vec8, 6, 2>(v + i, d + c, block + 16 * i, tiles, inputs, outputs);
      for (; i < inputs; i += 5) multiply_tiles<Vec8, 5, 2>(v + i, d + c, block + 16 * i, tiles, inputs, outputs);
    }
    if (c < outputs)
      for (int i = 0; i < inputs; i += 8)
        multiply_tiles<Vec8, 8, 1>(v + i, d + c, g + (Index)c * inputs + 8 * i, tiles, inputs, outputs);
  }
}

// ---- filters, [row][column][input][output], and their transforms ----

NOINLINE void transform_filters(const float* f, float* u, int inputs, int outputs) {
  const Index stride = filter_stride(inputs, outputs);
  for (int i = 0; i < inputs; i++)
    for (int c = 0; c < outputs; c += 8) {
      auto at = [&](int row, int column) INLINED { return load<Vec8>(f + ((Index)(3 * row + column) * inputs + i) * outputs + c); };
      Vec8 t[3][6], o[6];
      float* q = u + filter_place(c, i, inputs, outputs);
      UNROLL for (int j = 0; j < 3; j++) filter_1d(at(0, j), at(1, j), at(2, j), t[j]);
      UNROLL for (int r = 0; r < 6; r++) {
        filter_1d(t[0][r], t[1][r], t[2][r], o);
        UNROLL for (int j = 0; j < 6; j++, q += stride) store(q, o[j]);
      }
    }
}

NOINLINE void transform_filter_gradients(const float* u, float* g, int inputs, int outputs) {
  const Index stride = filter_stride(inputs, outputs);
  for (int i = 0; i < inputs; i++)
    for (int c = 0; c < outputs; c += 8) {
      Vec8 t[3][6], o[3];
      const float* q = u + filter_place(c, i, inputs, outputs);
      UNROLL for (int j = 0; j < 6; j++) {
        Vec8 m[6];
        UNROLL for (int r = 0; r < 6; r++) m[r] = load<Vec8>(q + (6 * r + j) * stride);
        filter_gradient_1d(m, o);
        UNROLL for (int r = 0; r < 3; r++) t[r][j] = o[r];
      }
      UNROLL for (int r = 0; r < 3; r++) {
        filter_gradient_1d(t[r], o);
        UNROLL for (int j = 0; j < 3; j++) store(g + ((Index)(3 * r + j) * inputs + i) * outputs + c, o[j]);
      }
    }
}

// Filters turned by 180 degrees, with inputs and outputs exchanged: [2 - row][2 - column][output][input].
NOINLINE void turn_filters(const float* f, float* turned, int inputs, int outputs) {
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
  for (int k = 0; k < 9; k++)
    for (int o = 0; o < outputs; o += 8)
      for (int i = 0; i < inputs; i += 8) {  // transposes 8x8 values
        Vec8 r[8], q[8];
        UNROLL for (int a = 0; a < 8; a++) r[a] = load<Vec8>(f + ((Index)k * inputs + i + a) * outputs + o);
        UNROLL for (int a = 0; a < 8; a += 2) {
          q[a] = SHUFFLE(r[a], r[a + 1], 0, 8, 1, 9, 4, 12, 5, 13);
          q[a + 1] = SHUFFLE(r[a], r[a + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        }
        UNROLL for (int a = 0; a < 8; a += 4) UNROLL for (int b = 0; b < 2; b++) {
          r[a + 2 * b] = SHUFFLE(q[a + b], q[a + 2 + b], 0, 1, 8, 9, 4, 5, 12, 13);
          r[a + 2 * b + 1] = SHUFFLE(q[a + b], q[a + 2 + b], 2, 3, 10, 11, 6, 7, 14, 15);
        }
        UNROLL for (int a = 0; a < 4; a++) {
          q[a] = SHUFFLE(r[a], r[a + 4], 0, 1, 2, 3, 8, 9, 10, 11);
          q[a + 4] = SHUFFLE(r[a], r[a + 4], 4, 5, 6, 7, 12, 13, 14, 15);
        }
        UNROLL for (int a = 0; a < 8; a++) store(turned + ((Index)(8 - k) * outputs + o + a) * inputs + i, q[a]);
      }
#undef SHUFFLE
}

// ---- whole convolutions of a group of images ----

// Tiles in a block: as many as the scratch holds for these channels, in blocks of about the same size.
INLINE int tiles_at_once(int tiles, int inputs, int outputs) {
  const int channels = inputs > outputs ? inputs : outputs, fit = MOST_TILES * 64 / channels / 6 * 6;
  const int most = fit < 6 ? 6 : fit > MOST_TILES ? MOST_TILES : fit;
  return tiles < most ? tiles : most;
}

// y = what follows (the convolution of x).
template <After AFTER>
void convolve(Scratch& scratch, Map x, const float* filters, const Sink& sink, Shape shape, int inputs, int outputs, int images) {
  const int tiles = images * shape.tiles(), most = tiles_at_once(tiles, inputs, outputs);
  for (int first = 0; first < tiles; first += most) {
    const int count = tiles - first < most ? tiles - first : most;
    with_channels(inputs, [&](auto known, auto vector) {
      transform_inputs<known.value, decltype(vector)>(x, shape, first, count, inputs, scratch.inputs);
      multiply<known.value>(scratch.inputs, filters, scratch.products, count, inputs, outputs);
    });
    with_channels(outputs, [&](auto known, auto vector) {
      transform_outputs<AFTER, known.value, decltype(vector)>(scratch.products, sink, shape, first, count, outputs);
    });
  }
}

// Adds a group's gradient to that of the filters, in the transformed domain, and to that of the bias.
inline void add_gradients(Scratch& scratch, Map x, Map dy, float* filter_gradient, float* bias_gradient, Shape shape, int inputs, int outputs, int images) {
  const int tiles = images * shape.tiles(), most = tiles_at_once(tiles, inputs, outputs);
  for (int first = 0; first < tiles; first += most) {
    const int count = tiles - first < most ? tiles - first : most;
    with_channels(inputs, [&](auto known, auto vector) {
      transform_inputs<known.value, decltype(vector)>(x, shape, first, count, inputs, scratch.inputs);
    });
    with_channels(outputs, [&](auto known, auto vector) {
      transform_gradients<known.value, decltype(vector)>(dy, shape, first, count, outputs, scratch.gradients);
    });
    add_filter_gradients(scratch.inputs, scratch.gradients, filter_gradient, count, inputs, outputs);
    // Row 1 of A is all ones, so position (1, 1) holds the sum of the tile.
    for (int c = 0; c < outputs; c += 8) {
      Vec8 total = load<Vec8>(bias_gradient + c);
      for (int t = 0; t < count; t++) total = total + load<Vec8>(scratch.gradients + 7 * STRIDE + (Index)t * outputs + c);
      store(bias_gradient + c, total);
    }
  }
}

}  // namespace
}  // namespace idml
