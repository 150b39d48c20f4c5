// What each instruction set's object file offers to the library. Nothing here may be code: see simd.hpp.
#pragma once
#include "idml_native.h"

namespace idml {

struct Kernels {
  const char* name;
  idml_network* (*create)(const idml_plan*);
  void (*destroy)(idml_network*);
  int64_t (*parameters)(const idml_network*);
  int64_t (*bytes)(const idml_network*);
  int32_t (*train)(idml_network*, float*, const float*, const int64_t*, const int64_t*, int64_t, int64_t, float, float, float, uint64_t, double*);
  int32_t (*gradient)(idml_network*, const float*, const float*, const int64_t*, int64_t, float*, double*);
  void (*logits)(idml_network*, const float*, const float*, int64_t, float*);
  int32_t (*score)(idml_network*, const float*, const float*, const int64_t*, int64_t, int64_t*, double*);
  void (*dropout)(float, uint64_t, int32_t, int64_t, int64_t, uint8_t*);
};

}  // namespace idml

struct idml_network {
  const idml::Kernels* kernels;
};
