// The C interface. Compiled for any processor of its kind: it asks what the one at hand can do before it calls code that
// needs it. IDML_SETS names the instruction sets that the library was built for, best first.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include "kernels.hpp"

namespace idml {

#define SET(name) extern const Kernels* const kernels_##name;
IDML_SETS
#undef SET

namespace {

bool has(const char* set) {
#if defined(__x86_64__)
  if (!strcmp(set, "baseline")) return true;
  unsigned a, b, c1, d, b7, c8;
  if (__get_cpuid_max(0, nullptr) < 7) return false;
  __cpuid(1, a, b, c1, d);
  __cpuid_count(7, 0, a, b7, c8, d);
  __cpuid(0x80000001, a, b, c8, d);
  constexpr unsigned FMA_MOVBE_OSXSAVE_AVX_F16C = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
  constexpr unsigned BMI1_AVX2_BMI2 = 1u << 3 | 1u << 5 | 1u << 8, LZCNT = 1u << 5;
  if (~c1 & FMA_MOVBE_OSXSAVE_AVX_F16C || ~b7 & BMI1_AVX2_BMI2 || ~c8 & LZCNT) return false;
  unsigned low, high;  // which registers the operating system saves
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if (!strcmp(set, "x86_64_v3")) return (low & 6) == 6;
  constexpr unsigned AVX512_F_DQ_CD_BW_VL = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
  return (low & 0xE6) == 0xE6 && !(~b7 & AVX512_F_DQ_CD_BW_VL);
#else
  (void)set;
  return true;
#endif
}

const Kernels* best() {
#define SET(name) if (has(#name)) return kernels_##name;
  IDML_SETS
#undef SET
  return nullptr;
}

// How the processor rounds, as IEEE 754 has it while one lives: another library in the process may have switched off
// denormal numbers, for speed.
class Rounding {
#if defined(__x86_64__)
  unsigned before;

 public:
  Rounding() {
    const unsigned usual = 0x1F80;
    __asm__ volatile("stmxcsr %0" : "=m"(before));
    __asm__ volatile("ldmxcsr %0" : : "m"(usual));
  }
  ~Rounding() { __asm__ volatile("ldmxcsr %0" : : "m"(before)); }
#elif defined(__aarch64__)
  uint64_t before;

 public:
  Rounding() {
    const uint64_t usual = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(usual));
  }
  ~Rounding() { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#endif
  Rounding(const Rounding&) = delete;
};

// ---- made-up networks, whose results are the same everywhere ----

struct Trial {
  idml_plan plan;
  int images, batch;
};

constexpr int32_t tiny_outputs[] = {16, 12}, usual_outputs[] = {16, 16, 32, 32, 64, 64}, odd_outputs[] = {12, 20, 36, 24},
                  mixed_outputs[] = {16, 16, 24, 8, 8, 40};
constexpr uint8_t tiny_pools[] = {1, 1}, usual_pools[] = {0, 1, 0, 1, 0, 1}, odd_pools[] = {0, 1, 1, 0}, one_pool[] = {1},
                  mixed_pools[] = {0, 0, 1, 0, 1, 0};
constexpr Trial trials[] = {
    {{1, 9, 7, 3, 2, tiny_outputs, tiny_pools, .25f}, 5, 2},
    {{1, 28, 28, 10, 6, usual_outputs, usual_pools, .25f}, 45, 16},
    {{3, 32, 32, 10, 6, usual_outputs, usual_pools, .25f}, 22, 16},
    {{2, 19, 22, 7, 4, odd_outputs, odd_pools, .5f}, 45, 16},
    {{5, 13, 13, 10, 1, usual_outputs + 4, one_pool, 0}, 45, 16},
    {{1, 8, 8, 10, 0, nullptr, nullptr, 0}, 45, 16},
    {{1, 22, 26, 10, 6, usual_outputs, usual_pools, .25f}, 7, 4},
    {{3, 18, 21, 10, 6, mixed_outputs, mixed_pools, .25f}, 7, 4},
};

uint64_t mixed(uint64_t z) {  // SplitMix64
  z += 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

struct Source {  // of numbers in [-1, 1)
  uint64_t state = 1;
  float next() { return (float)(int32_t)((state = mixed(state)) >> 40) * (1.f / 8388608) - 1; }
};

uint64_t hashed(const void* data, size_t bytes, uint64_t hash) {  // FNV-1a
  for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const unsigned char*)data)[i]) * 1099511628211ull;
  return hash;
}

// Trains two epochs, the second with momentum and weight decay, and evaluates. 0: no memory.
uint64_t outcome(const Trial& trial) {
  const idml_plan& plan = trial.plan;
  idml_network* net = idml_create(&plan);
  if (!net) return 0;
  const size_t size = idml_parameters(net), count = trial.images, pixels = count * plan.channels * plan.height * plan.width;
  float* numbers = (float*)malloc((size + pixels + count * plan.classes) * sizeof(float));
  int64_t* integers = (int64_t*)malloc(2 * count * sizeof(int64_t));
  uint64_t hash = 0;
  if (numbers && integers) {
    float *vector = numbers, *images = vector + size, *logits = images + pixels;
    int64_t *labels = integers, *order = labels + count;
    Source source;
    for (size_t i = 0; i < size; i++) vector[i] = source.next() * .1f;
    for (size_t i = 0; i < pixels; i++) images[i] = source.next() * 2;
    for (size_t i = 0; i < count; i++) labels[i] = (int64_t)(mixed(i) % plan.classes), order[i] = (int64_t)((i * 7 + 3) % count);
    double losses[3];
    int64_t correct;
    idml_train(net, vector, images, labels, order, count, trial.batch, .02f, 0, 0, 5, &losses[0]);
    idml_train(net, vector, images, labels, order, count, trial.batch, .02f, .9f, 5e-4f, 6, &losses[1]);
    idml_logits(net, vector, images, count, logits);
    idml_score(net, vector, images, labels, count, &correct, &losses[2]);
    hash = hashed(numbers, (size + pixels + count * plan.classes) * sizeof(float), 1469598103934665603ull);
    hash = hashed(losses, sizeof losses, hashed(&correct, sizeof correct, hash));
  }
  free(numbers);
  free(integers);
  idml_destroy(net);
  return hash;
}

}  // namespace
}  // namespace idml

extern "C" {

int32_t idml_abi(void) { return 1; }
int32_t idml_definition(void) { return 1; }

const char* idml_instruction_set(void) {
  const idml::Kernels* kernels = idml::best();
  return kernels ? kernels->name : nullptr;
}

idml_network* idml_create(const idml_plan* plan) {
  const idml::Kernels* kernels = idml::best();
  return kernels ? kernels->create(plan) : nullptr;
}

void idml_destroy(idml_network* network) {
  if (network) network->kernels->destroy(network);
}

int64_t idml_parameters(const idml_network* network) { return network->kernels->parameters(network); }
int64_t idml_bytes(const idml_network* network) { return network->kernels->bytes(network); }

int32_t idml_train(idml_network* network, float* vector, const float* images, const int64_t* labels, const int64_t* order,
                   int64_t count, int64_t batch, float learning_rate, float momentum, float weight_decay, uint64_t seed,
                   double* loss) {
  const idml::Rounding rounding;
  return network->kernels->train(network, vector, images, labels, order, count, batch, learning_rate, momentum, weight_decay, seed, loss);
}

int32_t idml_gradient(idml_network* network, const float* vector, const float* images, const int64_t* labels, int64_t count,
                      float* gradient, double* loss) {
  const idml::Rounding rounding;
  return network->kernels->gradient(network, vector, images, labels, count, gradient, loss);
}

void idml_logits(idml_network* network, const float* vector, const float* images, int64_t count, float* logits) {
  const idml::Rounding rounding;
  network->kernels->logits(network, vector, images, count, logits);
}

int32_t idml_score(idml_network* network, const float* vector, const float* images, const int64_t* labels, int64_t count,
                   int64_t* correct, double* loss) {
  const idml::Rounding rounding;
  return network->kernels->score(network, vector, images, labels, count, correct, loss);
}

void idml_dropout(float probability, uint64_t seed, int32_t layer, int64_t image, int64_t count, uint8_t* kept) {
  idml::best()->dropout(probability, seed, layer, image, count, kept);
}

int32_t idml_trials(void) { return sizeof idml::trials / sizeof *idml::trials; }
uint64_t idml_trial(int32_t number) { return idml::outcome(idml::trials[number]); }

}  // extern "C"
