// Vectors of floats, in the extensions that GCC and clang share: no intrinsics, so one source serves every processor.
//
// Everything that is compiled for an instruction set lies in an unnamed namespace: were a template's name visible to the
// linker, it could give one set's code to another, and a processor would meet instructions that it does not have.
#pragma once
#include <stdint.h>
#include <string.h>

#define INLINE inline __attribute__((always_inline))
#define INLINED __attribute__((always_inline))  // for lambdas
#define NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_2 _Pragma("clang loop unroll_count(2)")
#define UNROLL_4 _Pragma("clang loop unroll_count(4)")
#else
#define UNROLL _Pragma("GCC unroll 64")
#define UNROLL_2 _Pragma("GCC unroll 2")
#define UNROLL_4 _Pragma("GCC unroll 4")
#endif

// The compiler may not keep, and spill, what it has read through this pointer: reading it again is cheaper. Without it,
// GCC's first layer takes twice as long.
#define FORGET(pointer) asm("" : "+r"(pointer))

namespace idml {
namespace {

using Index = int64_t;

typedef float Vec8 __attribute__((vector_size(32)));
typedef int32_t Int8 __attribute__((vector_size(32)));
typedef uint32_t Uint8 __attribute__((vector_size(32)));
typedef float Loose8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t LooseInt8 __attribute__((vector_size(32), aligned(4), may_alias));

typedef float Vec16 __attribute__((vector_size(64)));
typedef int32_t Int16 __attribute__((vector_size(64)));
typedef uint32_t Uint16 __attribute__((vector_size(64)));
typedef float Loose16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t LooseInt16 __attribute__((vector_size(64), aligned(4), may_alias));

template <class V> struct Kind;
template <> struct Kind<Vec8> {
  using Int = Int8;
  using Uint = Uint8;
  using Loose = Loose8;
  using LooseInt = LooseInt8;
  static INLINE Vec8 splat(float f) { return Vec8{f, f, f, f, f, f, f, f}; }
  static INLINE Int splat(int32_t i) { return Int{i, i, i, i, i, i, i, i}; }
  static INLINE Uint splat(uint32_t i) { return Uint{i, i, i, i, i, i, i, i}; }
  static INLINE Uint count() { return Uint{0, 1, 2, 3, 4, 5, 6, 7}; }
};
template <> struct Kind<Vec16> {
  using Int = Int16;
  using Uint = Uint16;
  using Loose = Loose16;
  using LooseInt = LooseInt16;
  static INLINE Vec16 splat(float f) { return Vec16{f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f}; }
  static INLINE Int splat(int32_t i) { return Int{i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i}; }
  static INLINE Uint splat(uint32_t i) { return Uint{i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i}; }
  static INLINE Uint count() { return Uint{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }
};
template <class V> constexpr int LANES = sizeof(V) / sizeof(float);

// The widest vector of this instruction set. Each lane is a sum of its own, so the width changes no bit.
#if defined(__AVX512F__)
using Wide = Vec16;
#else
using Wide = Vec8;
#endif

template <class V> INLINE V splat(float f) { return Kind<V>::splat(f); }
template <class V> INLINE V load(const float* p) { return *(const typename Kind<V>::Loose*)p; }
template <class V> INLINE void store(float* p, V v) { *(typename Kind<V>::Loose*)p = v; }
template <class V> INLINE typename Kind<V>::Int load_int(const int32_t* p) { return *(const typename Kind<V>::LooseInt*)p; }
template <class V> INLINE void store_int(int32_t* p, typename Kind<V>::Int v) { *(typename Kind<V>::LooseInt*)p = v; }
template <class V> INLINE V zero() { return V{}; }

// a * b + c, rounded once, as IEEE 754 defines it. A multiplication and an addition that the compiler may or may not join
// would not give the same bits everywhere: hence the flag -ffp-contract=off, and this by name.
#if defined(__clang__)
template <class V> INLINE V fma(V a, V b, V c) { return __builtin_elementwise_fma(a, b, c); }
#elif defined(__AVX512F__) || defined(__FMA__)
INLINE Vec8 fma(Vec8 a, Vec8 b, Vec8 c) { return __builtin_ia32_vfmaddps256(a, b, c); }
#if defined(__AVX512F__)
INLINE Vec16 fma(Vec16 a, Vec16 b, Vec16 c) { return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4); }
#endif
#else
template <class V> INLINE V fma(V a, V b, V c) {
  for (int i = 0; i < LANES<V>; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
#endif
template <class V> INLINE V fnma(V a, V b, V c) { return fma(-a, b, c); }  // c - a * b

// The greater one; the second if one of them is NaN.
template <class V> INLINE V greater(V a, V b) { return a > b ? a : b; }
template <class V> INLINE V relu(V v) { return greater(zero<V>(), v); }  // NaN stays NaN, as in PyTorch

// v where the mask is set, else 0.
template <class V> INLINE V keep(typename Kind<V>::Int mask, V v) { return (V)(mask & (typename Kind<V>::Int)v); }

// v where x is positive or NaN, else 0: what ReLU lets pass of a gradient, if x is what it gave.
template <class V> INLINE V where_active(V x, V v) { return (V)(~(x <= zero<V>()) & (typename Kind<V>::Int)v); }

INLINE float sum(Vec8 v) {
  const float a = v[0] + v[4], b = v[1] + v[5], c = v[2] + v[6], d = v[3] + v[7];
  return (c + a) + (d + b);
}

// Numbers that the compiler knows, for templates that unroll over a count of channels.
template <int N> struct Known {
  static constexpr int value = N;
};

// Calls f with the count as a compile-time number and the vector to go by: the usual counts have code of their own.
template <class F> INLINE void with_channels(int channels, F f) {
  switch (channels) {
    case 8: return f(Known<8>(), Vec8());
    case 16: return f(Known<16>(), Wide());
    case 32: return f(Known<32>(), Wide());
    case 64: return f(Known<64>(), Wide());
    default: return f(Known<0>(), Vec8());
  }
}

}  // namespace
}  // namespace idml
