// The last layer, the loss, and the way back through pools.
//
// Order of sums: a logit is the sum of sixteen sums, over features of equal number modulo 16, then its bias; the softmax
// sums classes in ascending order, as does the gradient of the features; that of the weights sums images.
#pragma once
#include "maps.hpp"

namespace idml {
namespace {

// logits[class] = weights[class] . x + bias[class]; `features` is a multiple of 8.
NOINLINE void dense(const float* x, const float* weights, const float* bias, Index features, int classes, float* logits) {
  for (int j = 0; j < classes; j++, weights += features) {
    Vec8 a = zero<Vec8>(), b = zero<Vec8>();
    Index i = 0;
    for (; i + 16 <= features; i += 16) {
      a = fma(load<Vec8>(x + i), load<Vec8>(weights + i), a);
      b = fma(load<Vec8>(x + i + 8), load<Vec8>(weights + i + 8), b);
    }
    if (i < features) a = fma(load<Vec8>(x + i), load<Vec8>(weights + i), a);
    logits[j] = sum(a + b) + bias[j];
  }
}

// The first of the greatest; -1 if a logit is NaN.
inline int best_class(const float* logits, int classes) {
  int best = 0;
  for (int j = 0; j < classes; j++) {
    if (logits[j] != logits[j]) return -1;
    if (logits[j] > logits[best]) best = j;
  }
  return best;
}

// Cross entropy of the softmax. Replaces the logits by their gradient.
NOINLINE float cross_entropy(float* logits, int classes, int64_t label) {
  float most = logits[0], total = 0;
  for (int j = 1; j < classes; j++) most = logits[j] > most ? logits[j] : most;
  const float own = logits[label];
  for (int j = 0; j < classes; j++) total += logits[j] = exp_negative(logits[j] - most);
  for (int j = 0; j < classes; j++) logits[j] = logits[j] / total - (float)(j == label);
  return (float)(log_of(total) + most - own);
}

// Adds an image to the gradients of weights and bias, and gives that of its features, dx: where they are active, times
// `scale`.
NOINLINE void dense_back(const float* x, const float* weights, const float* dlogits, Index features, int classes, float* dx, float* dweights, float* dbias, float scale) {
  for (int j = 0; j < classes; j++) dbias[j] += dlogits[j];
  for (Index i = 0; i < features; i += 8) {
    const Vec8 v = load<Vec8>(x + i);
    Vec8 total = zero<Vec8>();
    for (int j = 0; j < classes; j++) {
      const Vec8 d = splat<Vec8>(dlogits[j]);
      float* g = dweights + j * features + i;
      store(g, fma(d, v, load<Vec8>(g)));
      total = fma(d, load<Vec8>(weights + j * features + i), total);
    }
    store(dx + i, where_active(v, total * splat<Vec8>(scale)));
  }
}

// dy = the gradient of a pool's four pixels, from that of its output: it goes to the winner.
NOINLINE void pool_back(Map d, const int32_t* winner, Map dy, Shape shape, Index channels, int images) {
  const Shape half = shape.pooled();
  for (int image = 0; image < images; image++) {
    // An odd row or column has no pool. The map may be one that another layer has written to.
    if (shape.height & 1) memset(dy.pixels + image * dy.image + (shape.height - 1) * dy.row, 0, shape.width * channels * 4);
    if (shape.width & 1)
      for (int r = 0; r < shape.height; r++)
        memset(dy.pixels + image * dy.image + r * dy.row + (shape.width - 1) * channels, 0, channels * 4);
    for (int r = 0; r < half.height; r++) {
      const float* from = d.pixels + image * d.image + r * d.row;
      float* to = dy.pixels + image * dy.image + 2 * r * dy.row;
      for (int q = 0; q < half.width; q++, to += channels)  // one pixel here, and one with the channels below
        for (Index c = 0; c < channels; c += 8, from += 8, to += 8, winner += 8) {
          const Int8 n = load_int<Vec8>(winner);
          const Vec8 v = load<Vec8>(from);
          store(to, keep<Vec8>(n == Kind<Vec8>::splat(0), v));
          store(to + channels, keep<Vec8>(n == Kind<Vec8>::splat(1), v));
          store(to + dy.row, keep<Vec8>(n == Kind<Vec8>::splat(2), v));
          store(to + dy.row + channels, keep<Vec8>(n == Kind<Vec8>::splat(3), v));
        }
    }
  }
}

}  // namespace
}  // namespace idml
