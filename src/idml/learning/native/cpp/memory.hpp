// One piece of memory for a whole network: zeroed, and in huge pages where the system has them.
#pragma once
#include <stdlib.h>
#include <string.h>
#if defined(_WIN32)
#include <malloc.h>
#elif defined(__linux__)
#include <sys/mman.h>
#endif
#include "simd.hpp"

namespace idml {
namespace {

constexpr Index LINE = 64, HUGE_PAGE = 2 << 20;

inline Index whole(Index bytes, Index unit) { return (bytes + unit - 1) / unit * unit; }

inline void* take_memory(Index bytes) {
#if defined(_WIN32)
  void* memory = _aligned_malloc(bytes, LINE);
#else
  void* memory = aligned_alloc(HUGE_PAGE, whole(bytes, HUGE_PAGE));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (memory) madvise(memory, whole(bytes, HUGE_PAGE), MADV_HUGEPAGE);
#endif
#endif
  if (memory) memset(memory, 0, bytes);
  return memory;
}

inline void give_memory(void* memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  free(memory);
#endif
}

// Hands out parts of a piece of memory, or only counts them, if there is none yet.
struct Arena {
  char* memory;
  Index taken = 0;

  template <class T = float> T* take(Index count) {
    char* part = memory ? memory + taken : nullptr;
    taken += whole(count * (Index)sizeof(T), LINE);
    return (T*)part;
  }
};

}  // namespace
}  // namespace idml
