// Functions whose bits a library would not promise: exponential, logarithm, and the random bits of dropout.
#pragma once
#include "simd.hpp"

namespace idml {
namespace {

constexpr double LN_2 = .6931471805599453;

// e^x for x <= 0, by plain double arithmetic: x = n ln 2 + r, e^r by its Taylor series, and n into the exponent.
inline float exp_negative(float x) {
  if (x != x) return x;
  if (x < -87) return 0;
  const int n = (int)(x * 1.4426950408889634 - .5);
  const double r = x - n * LN_2;
  double series = 1;
  for (int k = 10; k; k--) series = 1 + series * (r / k);
  const uint64_t bits = (uint64_t)(1023 + n) << 52;
  double power;
  memcpy(&power, &bits, 8);
  return (float)(series * power);
}

// ln x for a normal x >= 1: the exponent apart, and 2 artanh((m - 1) / (m + 1)) of the mantissa by its series.
inline double log_of(double x) {
  if (!(x < 1e300)) return x;  // infinity and NaN
  uint64_t bits;
  memcpy(&bits, &x, 8);
  int exponent = (int)(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
  double m;
  memcpy(&m, &bits, 8);
  if (m > 1.4142135623730951) {
    m *= .5;
    exponent++;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double series = 0;
  for (int k = 21; k > 0; k -= 2) series = series * square + 1. / k;
  return 2 * s * series + exponent * LN_2;
}

// SplitMix64 (Steele, Lea and Flood 2014): neighboring numbers come out as if drawn at random.
inline uint64_t mix(uint64_t z) {
  z += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// What dropout drops follows from counters alone, so it needs no order of drawing: seed, layer and image make a key, and
// position and key make 32 bits by the mixer "lowbias32" (Wellons 2018), once for each half of the key.
struct Dropout {
  uint32_t threshold = 0;  // of 2^32: what lies below is dropped
  float scale = 1;         // of what stays
  uint64_t key = 0;        // of this layer, for image 0

  static Dropout of(float probability, uint64_t seed, int layer) {
    if (!(probability > 0)) return {};
    return {(uint32_t)(probability * 4294967296.), 1 / (1 - probability), mix(mix(seed) + ((uint64_t)layer << 56))};
  }
  Dropout from_image(int64_t image) const { return {threshold, scale, key + (uint64_t)image * 0x9E3779B97F4A7C15ull}; }
  uint64_t image_key(int64_t image) const { return mix(from_image(image).key); }
};

template <class V> INLINE typename Kind<V>::Uint random_bits(uint32_t position, uint64_t key) {
  using K = Kind<V>;
  typename K::Uint x = K::count() + K::splat(position);
  for (int half = 0; half < 2; half++) {
    x ^= K::splat((uint32_t)(key >> (32 * half)));
    x ^= x >> 16;
    x *= K::splat((uint32_t)0x7feb352d);
    x ^= x >> 15;
    x *= K::splat((uint32_t)0x846ca68b);
    x ^= x >> 16;
  }
  return x;
}

}  // namespace
}  // namespace idml
