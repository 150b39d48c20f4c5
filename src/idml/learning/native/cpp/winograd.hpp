// 3x3 convolutions by Winograd's F(4x4, 3x3) (Lavin and Gray 2015, arXiv:1509.09308): 36 multiplications for the 16 pixels
// of a tile, where the plain sum takes 144.
//
// A tile of 4x4 outputs Y depends on 6x6 inputs D. With filter F and elementwise product (*), in each pair of channels:
//
//     Y = A^T [ (G F G^T) (*) (B^T D B) ] A                                                            forward
//
//           4  0 -5  0  1  0             1/4    0     0
//           0 -4 -4  1  1  0            -1/6  -1/6  -1/6              1  1  1  1  1  0
//     B^T = 0  4 -4 -1  1  0        G = -1/6   1/6  -1/6        A^T = 0  1 -1  2 -2  0
//           0 -2 -1  2  1  0            1/24   1/12  1/6              0  1  1  4  4  0
//           0  2 -1 -2  1  0            1/24  -1/12  1/6              0  1 -1  8 -8  1
//           0  4  0 -5  0  1              0     0     1
//
// Summed over input channels, (*) is one matrix product for each of the 36 positions: [tiles x inputs] times
// [inputs x outputs]. Nearly all time goes there (products.hpp). The transforms multiply by constants only; they are
// written out below so that each is a few fused operations.
//
// The gradient of the input is a convolution again: of the outputs' gradient, with the filters turned by 180 degrees and
// inputs and outputs exchanged. The gradient of the filters is the adjoint of the line above,
//
//     dF = G^T [ sum over tiles and images of (B^T D B) (*) (A dY A^T) ] G,
//
// so it is summed in the transformed domain, and transformed back once a minibatch.
//
// Order of sums, which is part of the definition of a result (docs/determinism.md): a product sums its input channels in
// ascending order; the gradient of a filter its tiles in the order image, row, column. Blocks only cut these sequences:
// no bit depends on the sizes of blocks and groups, nor on the width of vectors.
#pragma once
#include "maps.hpp"

namespace idml {
namespace {

constexpr int POSITIONS = 36;
constexpr int MOST_CHANNELS = 256;
constexpr int MOST_TILES = 24;  // of a block, up to 64 channels; so that a block's 36 matrices fit the L2 cache

// Floats between two positions, for any number of channels: a constant, for the compiler's sake, and no multiple of a
// page, for the cache's.
constexpr Index STRIDE = MOST_TILES * 64 + 16;

// What a block of tiles is worked on in: [position][tile][channel].
struct Scratch {
  alignas(64) float inputs[POSITIONS * STRIDE], products[POSITIONS * STRIDE], gradients[POSITIONS * STRIDE];
};

// ---- the transforms of one dimension ----

template <class V> INLINE void input_1d(const V* d, V* o) {  // B^T d
  const V four = splat<V>(4), five = splat<V>(5), two = splat<V>(2);
  const V a = fnma(four, d[2], d[4]), b = fnma(four, d[1], d[3]), c = d[4] - d[2], e = d[3] - d[1];
  o[0] = fma(four, d[0], fnma(five, d[2], d[4]));
  o[1] = a + b;
  o[2] = a - b;
  o[3] = fma(two, e, c);
  o[4] = fnma(two, e, c);
  o[5] = fma(four, d[1], fnma(five, d[3], d[5]));
}

template <class V> INLINE void output_1d(const V* m, V* o) {  // A^T m
  const V s = m[1] + m[2], t = m[3] + m[4], d = m[1] - m[2], e = m[3] - m[4];
  o[0] = m[0] + s + t;
  o[1] = fma(splat<V>(2), e, d);
  o[2] = fma(splat<V>(4), t, s);
  o[3] = fma(splat<V>(8), e, d) + m[5];
}

template <class V> INLINE void gradient_1d(const V* y, V* o) {  // A y
  const V e = y[0] + y[2], f = y[1] + y[3], g = fma(splat<V>(4), y[2], y[0]), h = fma(splat<V>(8), y[3], y[1] + y[1]);
  o[0] = y[0];
  o[1] = e + f;
  o[2] = e - f;
  o[3] = g + h;
  o[4] = g - h;
  o[5] = y[3];
}

template <class V> INLINE void filter_1d(V f0, V f1, V f2, V* o) {  // G f
  const V t = f0 + f2, sixth = splat<V>(-1 / 6.f);
  const V e = fma(splat<V>(1 / 6.f), f2, f0 * splat<V>(1 / 24.f)), h = f1 * splat<V>(1 / 12.f);
  o[0] = f0 * splat<V>(.25f);
  o[1] = (t + f1) * sixth;
  o[2] = (t - f1) * sixth;
  o[3] = e + h;
  o[4] = e - h;
  o[5] = f2;
}

template <class V> INLINE void filter_gradient_1d(const V* m, V* o) {  // G^T m
  const V sixth = splat<V>(1 / 6.f), s = (m[1] + m[2]) * sixth, t = m[3] + m[4];
  o[0] = fma(splat<V>(.25f), m[0], fma(splat<V>(1 / 24.f), t, -s));
  o[1] = fma(sixth, m[2] - m[1], (m[3] - m[4]) * splat<V>(1 / 12.f));
  o[2] = fma(sixth, t, m[5] - s);
}

// ---- tiles ----

// B^T D B of `count` tiles from number `first` on. Columns first, two rows of the result at a time: more of them would
// not fit sixteen registers.
template <int CHANNELS, class V>
NOINLINE void transform_inputs(Map x, Shape shape, int first, int count, int channels, float* out) {
  const Index c_all = CHANNELS ? CHANNELS : channels, row = x.row;
  Tile tile(shape, first);
  for (int n = 0; n < count; n++, tile.next())
    for (Index c = 0; c < c_all; c += LANES<V>) {
      const float* p = x.pixels + tile.image * x.image + (4 * tile.row - 1) * row + (4 * tile.column - 1) * c_all + c;
      float* o = out + n * c_all + c;
      const V four = splat<V>(4), five = splat<V>(5), two = splat<V>(2);
      auto d = [&](int i, int j) INLINED { return load<V>(p + i * row + j * c_all); };
      auto put = [&](int i, const V* columns) INLINED {
        V w[6];
        input_1d(columns, w);
        UNROLL for (int j = 0; j < 6; j++) store(o + (6 * i + j) * STRIDE, w[j]);
      };
      V s[6], t[6];
      UNROLL for (int j = 0; j < 6; j++) t[j] = fma(four, d(0, j), fnma(five, d(2, j), d(4, j)));
      put(0, t);
      FORGET(p);
      UNROLL for (int j = 0; j < 6; j++) {
        const V d4 = d(4, j), d3 = d(3, j), a = fnma(four, d(2, j), d4), b = fnma(four, d(1, j), d3);
        t[j] = a + b;
        s[j] = a - b;
      }
      put(1, t);
      put(2, s);
      FORGET(p);
      UNROLL for (int j = 0; j < 6; j++) {
        const V a = d(4, j) - d(2, j), b = d(3, j) - d(1, j);
        t[j] = fma(two, b, a);
        s[j] = fnma(two, b, a);
      }
      put(3, t);
      put(4, s);
      FORGET(p);
      UNROLL for (int j = 0; j < 6; j++) t[j] = fma(four, d(1, j), fnma(five, d(3, j), d(5, j)));
      put(5, t);
    }
}

// A dY A^T, likewise. Of tiles that reach beyond the map, the pixels there are zero.
template <int CHANNELS, class V>
NOINLINE void transform_gradients(Map dy, Shape shape, int first, int count, int channels, float* out) {
  const Index c_all = CHANNELS ? CHANNELS : channels, row = dy.row;
  Tile tile(shape, first);
  for (int n = 0; n < count; n++, tile.next())
    for (Index c = 0; c < c_all; c += LANES<V>) {
      const float* p = dy.pixels + tile.image * dy.image + 4 * tile.row * row + 4 * tile.column * c_all + c;
      float* o = out + n * c_all + c;
      auto y = [&](int i, int j) INLINED { return load<V>(p + i * row + j * c_all); };
      auto put = [&](int i, const V* columns) INLINED {
        V w[6];
        gradient_1d(columns, w);
        UNROLL for (int j = 0; j < 6; j++) store(o + (6 * i + j) * STRIDE, w[j]);
      };
      V s[4], t[4];
      UNROLL for (int j = 0; j < 4; j++) t[j] = y(0, j);
      put(0, t);
      UNROLL for (int j = 0; j < 4; j++) {
        const V e = y(0, j) + y(2, j), f = y(1, j) + y(3, j);
        t[j] = e + f;
        s[j] = e - f;
      }
      put(1, t);
      put(2, s);
      UNROLL for (int j = 0; j < 4; j++) {
        const V e = fma(splat<V>(4), y(2, j), y(0, j)), y1 = y(1, j), f = fma(splat<V>(8), y(3, j), y1 + y1);
        t[j] = e + f;
        s[j] = e - f;
      }
      put(3, t);
      put(4, s);
      UNROLL for (int j = 0; j < 4; j++) t[j] = y(3, j);
      put(5, t);
    }
}

enum class After { RELU, POOL, MASK };  // what follows: ReLU; pool, ReLU and dropout; or a gradient's passage back

// A^T M A of one tile, and what follows. WHOLE: no pixel of it lies beyond the map.
template <After AFTER, bool WHOLE, class V>
INLINE void transform_output(const float* m, const Sink& sink, Shape shape, const Tile& tile, Index c_all, uint64_t key) {
  const int height = shape.height, width = shape.width;
  const int rows = WHOLE ? 4 : height - 4 * tile.row, columns = WHOLE ? 4 : width - 4 * tile.column;
  const Shape half = shape.pooled();
  const Map& y = sink.y;
  for (Index c = 0; c < c_all; c += LANES<V>) {
    const V four = splat<V>(4), two = splat<V>(2), eight = splat<V>(8);
    const V bias = AFTER != After::MASK ? load<V>(sink.bias + c) : zero<V>();
    auto at = [&](int i, int j) INLINED { return load<V>(m + c + (6 * i + j) * STRIDE); };
    // Position (1, 1) enters each of the sixteen outputs once, with factor 1: the bias is added there.
    auto at_1 = [&](int j) INLINED { return AFTER != After::MASK && j == 1 ? at(1, j) + bias : at(1, j); };
    V o[4][4], s[6], t[6];
    auto put = [&](int i) INLINED {
      if (AFTER == After::POOL || (!WHOLE && i >= rows)) return;
      const Index place = tile.image * y.image + (4 * tile.row + i) * y.row + 4 * tile.column * c_all + c;
      UNROLL for (int j = 0; j < 4; j++)
        if (WHOLE || j < columns) {
          V v = o[i][j];
          if (AFTER == After::RELU) v = relu(v);
          if (AFTER == After::MASK) v = where_active(load<V>(sink.forward + place + j * c_all), v * splat<V>(sink.scale));
          store(y.pixels + place + j * c_all, v);
        }
    };
    UNROLL for (int j = 0; j < 6; j++) {
      const V m1 = at_1(j), u = m1 + at(2, j), w = at(3, j) + at(4, j);
      t[j] = at(0, j) + u + w;
      s[j] = fma(four, w, u);
    }
    output_1d(t, o[0]);
    output_1d(s, o[2]);
    put(0);
    put(2);
    UNROLL for (int j = 0; j < 6; j++) {
      const V m1 = at_1(j), u = m1 - at(2, j), w = at(3, j) - at(4, j);
      t[j] = fma(two, w, u);
      s[j] = fma(eight, w, u) + at(5, j);
    }
    output_1d(t, o[1]);
    output_1d(s, o[3]);
    put(1);
    put(3);
    if (AFTER != After::POOL) continue;
    UNROLL for (int i = 0; i < 2; i++) UNROLL for (int j = 0; j < 2; j++) {
      const Index row = 2 * tile.row + i, column = 2 * tile.column + j;
      if (!WHOLE && (row >= half.height || column >= half.width)) continue;
      const Index position = (row * half.width + column) * c_all + c;
      int32_t* winner = sink.winner ? sink.winner + tile.image * half.pixels() * c_all : nullptr;
      float* out = y.pixels + tile.image * y.image + row * y.row + column * c_all + c;
      pool(o[2 * i][2 * j], o[2 * i][2 * j + 1], o[2 * i + 1][2 * j], o[2 * i + 1][2 * j + 1], sink, position, winner, out, key);
    }
  }
}

template <After AFTER, int CHANNELS, class V>
NOINLINE void transform_outputs(const float* m, const Sink& sink, Shape shape, int first, int count, int channels) {
  const Index c_all = CHANNELS ? CHANNELS : channels;
  Tile tile(shape, first);
  uint64_t key = 0;
  int keyed = -1;
  for (int n = 0; n < count; n++, tile.next()) {
    if (AFTER == After::POOL && sink.dropout.threshold && tile.image != keyed) {
      keyed = tile.image;
      key = sink.dropout.image_key(keyed);
    }
    if (4 * tile.row + 4 <= shape.height && 4 * tile.column + 4 <= shape.width)
      transform_output<AFTER, true, V>(m + n * c_all, sink, shape, tile, c_all, key);
    else
      transform_output<AFTER, false, V>(m + n * c_all, sink, shape, tile, c_all, key);
  }
}

}  // namespace
}  // namespace idml
