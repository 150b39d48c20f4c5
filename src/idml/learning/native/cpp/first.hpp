// A first layer of one to four channels, summed plainly: with so few inputs there is nothing for Winograd's products to
// gain. Six pixels times sixteen outputs at a time.
//
// Order of sums: bias, then filter row, column, channel. Of the filters' gradient: image, row, column.
#pragma once
#include "maps.hpp"

namespace idml {
namespace {

constexpr int MOST_DIRECT = 4;

// Pooled layers go through two rows of sixteen channels at most, before the pool.
constexpr int MOST_WIDTH = 512;
struct Rows {
  alignas(64) float pixels[2 * MOST_WIDTH * 16];
};

// PIXELS outputs side by side. x: pixel above and to the left of the first; y: of `outputs` channels a pixel.
template <bool RELU, int PIXELS, int VECTORS, int INPUTS>
INLINE void direct_pixels(const float* x, const float* f, const float* bias, float* y, Index row, Index all, Index outputs) {
  Vec8 sums[PIXELS][VECTORS];
  UNROLL for (int p = 0; p < PIXELS; p++) UNROLL for (int n = 0; n < VECTORS; n++) sums[p][n] = load<Vec8>(bias + 8 * n);
  for (int i = 0; i < 3; i++, x += row)
    UNROLL for (int k = 0; k < 3 * INPUTS; k++, f += all) {
      Vec8 w[VECTORS];
      UNROLL for (int n = 0; n < VECTORS; n++) w[n] = load<Vec8>(f + 8 * n);
      if (k % INPUTS == 0) FORGET(x);
      UNROLL for (int p = 0; p < PIXELS; p++) {
        const Vec8 v = splat<Vec8>(x[p * INPUTS + k]);
        UNROLL for (int n = 0; n < VECTORS; n++) sums[p][n] = fma(v, w[n], sums[p][n]);
      }
    }
  UNROLL for (int p = 0; p < PIXELS; p++)
    UNROLL for (int n = 0; n < VECTORS; n++) store(y + p * outputs + 8 * n, RELU ? relu(sums[p][n]) : sums[p][n]);
}

template <bool RELU, int VECTORS, int INPUTS>
INLINE void direct_row(const float* x, const float* f, const float* bias, float* y, int width, Index row, Index all, Index outputs) {
  const int fives = (6 - width % 6) % 6, sixes = 5 * fives <= width ? width - 5 * fives : width / 6 * 6;
  int p = 0;
  for (; p < sixes; p += 6) direct_pixels<RELU, 6, VECTORS, INPUTS>(x + p * INPUTS, f, bias, y + p * outputs, row, all, outputs);
  for (; p + 5 <= width; p += 5) direct_pixels<RELU, 5, VECTORS, INPUTS>(x + p * INPUTS, f, bias, y + p * outputs, row, all, outputs);
  for (; p < width; p++) direct_pixels<RELU, 1, VECTORS, INPUTS>(x + p * INPUTS, f, bias, y + p * outputs, row, all, outputs);
}

// Calls g(channel, count of vectors) for sixteen outputs at a time, and for a last eight.
template <class G> INLINE void by_sixteen(int outputs, G g) {
  int c = 0;
  for (; c + 16 <= outputs; c += 16) g(c, Known<2>());
  if (c < outputs) g(c, Known<1>());
}

template <int INPUTS> NOINLINE void direct(Rows& rows, Map x, const float* f, const Sink& sink, Shape shape, int outputs, int images, bool pooled) {
  const Shape half = shape.pooled();
  for (int image = 0; image < images; image++) {
    const float* corner = x.pixels + image * x.image - x.row - INPUTS;
    float* out = sink.y.pixels + image * sink.y.image;
    if (!pooled) {
      for (int r = 0; r < shape.height; r++)
        by_sixteen(outputs, [&](int c, auto n) {
          // The usual sixteen as a number that the compiler knows.
          if (outputs == 16) direct_row<true, n.value, INPUTS>(corner + r * x.row, f, sink.bias, out + r * sink.y.row, shape.width, x.row, 16, 16);
          else direct_row<true, n.value, INPUTS>(corner + r * x.row, f + c, sink.bias + c, out + r * sink.y.row + c, shape.width, x.row, outputs, outputs);
        });
      continue;
    }
    const uint64_t key = sink.dropout.threshold ? sink.dropout.image_key(image) : 0;
    int32_t* winner = sink.winner ? sink.winner + image * half.pixels() * outputs : nullptr;
    for (int r = 0; r < half.height; r++)
      by_sixteen(outputs, [&](int c, auto n) {
        constexpr Index W = 8 * n.value;
        float *upper = rows.pixels, *lower = upper + W * shape.width;
        const float* from = corner + 2 * r * x.row;
        direct_row<false, n.value, INPUTS>(from, f + c, sink.bias + c, upper, shape.width, x.row, outputs, W);
        direct_row<false, n.value, INPUTS>(from + x.row, f + c, sink.bias + c, lower, shape.width, x.row, outputs, W);
        for (int q = 0; q < half.width; q++, upper += 2 * W, lower += 2 * W)
          for (int e = 0; e < W; e += 8) {
            const Index position = ((Index)r * half.width + q) * outputs + c + e;
            pool(load<Vec8>(upper + e), load<Vec8>(upper + W + e), load<Vec8>(lower + e), load<Vec8>(lower + W + e), sink,
                 position, winner, out + r * sink.y.row + (Index)q * outputs + c + e, key);
          }
      });
  }
}

// Adds rows [top, bottom) to the gradient of the filters, from tap FIRST on, as many taps at a time as registers hold.
template <int FIRST, int VECTORS, int INPUTS>
INLINE void direct_taps(const float* x, const float* dy, float* g, int top, int bottom, int width, Index x_row, Index y_row, Index outputs) {
  constexpr int ALL = 9 * INPUTS, USUAL = INPUTS == 1 ? 5 : INPUTS == 3 && FIRST >= 12 ? 5 : 6;
  constexpr int TAPS = ALL - FIRST < 6 ? ALL - FIRST : USUAL;
  Vec8 sums[TAPS][VECTORS];
  UNROLL for (int r = 0; r < TAPS; r++)
    UNROLL for (int n = 0; n < VECTORS; n++) sums[r][n] = load<Vec8>(g + (FIRST + r) * outputs + 8 * n);
  for (int y = top; y < bottom; y++) {
    const float *from = x + y * x_row, *d = dy + y * y_row;
    UNROLL_2 for (int p = 0; p < width; p++, from += INPUTS, d += outputs) {
      FORGET(from);
      Vec8 w[VECTORS];
      UNROLL for (int n = 0; n < VECTORS; n++) w[n] = load<Vec8>(d + 8 * n);
      UNROLL for (int r = 0; r < TAPS; r++) {
        const int tap = FIRST + r;
        const Vec8 v = splat<Vec8>(from[tap / (3 * INPUTS) * x_row + tap % (3 * INPUTS)]);
        UNROLL for (int n = 0; n < VECTORS; n++) sums[r][n] = fma(v, w[n], sums[r][n]);
      }
    }
  }
  UNROLL for (int r = 0; r < TAPS; r++)
    UNROLL for (int n = 0; n < VECTORS; n++) store(g + (FIRST + r) * outputs + 8 * n, sums[r][n]);
  if constexpr (FIRST + TAPS < ALL) direct_taps<FIRST + TAPS, VECTORS, INPUTS>(x, dy, g, top, bottom, width, x_row, y_row, outputs);
}

template <int INPUTS>
NOINLINE void add_direct_gradients(Map x, Map dy, float* filter_gradient, float* bias_gradient, Shape shape, int outputs, int images) {
  const int quarter = (shape.height + 3) / 4;
  for (int image = 0; image < images; image++) {
    const float* corner = x.pixels + image * x.image - x.row - INPUTS;
    const float* d = dy.pixels + image * dy.image;
    for (int top = 0; top < shape.height; top += quarter) {  // a quarter of the rows stays in the L1 cache
      const int bottom = top + quarter < shape.height ? top + quarter : shape.height;
      by_sixteen(outputs, [&](int c, auto n) {
        if (outputs == 16) direct_taps<0, n.value, INPUTS>(corner, d, filter_gradient, top, bottom, shape.width, x.row, dy.row, 16);
        else direct_taps<0, n.value, INPUTS>(corner, d + c, filter_gradient + c, top, bottom, shape.width, x.row, dy.row, outputs);
      });
    }
    for (int c = 0; c < outputs; c += 8) {
      Vec8 s[4] = {};  // columns by their number modulo 4; those beyond the map are zero
      for (int r = 0; r < shape.height; r++) {
        const float* p = d + r * dy.row + c;
        for (int q = 0; q < 4 * shape.tile_columns(); q += 4, p += 4 * outputs)
          UNROLL for (int n = 0; n < 4; n++) s[n] = s[n] + load<Vec8>(p + n * outputs);
      }
      store(bias_gradient + c, load<Vec8>(bias_gradient + c) + ((s[0] + s[2]) + (s[1] + s[3])));
    }
  }
}

template <class F> INLINE void with_inputs(int inputs, F f) {
  switch (inputs) {
    case 1: return f(Known<1>());
    case 2: return f(Known<2>());
    case 3: return f(Known<3>());
    default: return f(Known<4>());
  }
}

}  // namespace
}  // namespace idml
