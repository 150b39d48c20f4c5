// Times the passes of convolutions by the native library's own code, and the processor's fused multiply-adds.
// Prints lines: name, then CPU seconds of each round, for the number of operations in the name's second field.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "network.hpp"

using namespace idml;

namespace {

constexpr int IMAGES = 4, ROUNDS = 9;

double cpu_s() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

template <class F> void time_it(const char* name, double operations, F f) {
  f();
  double begun = cpu_s();
  f();
  const int repeats = (int)(.02 / (cpu_s() - begun + 1e-7)) + 1;
  printf("%s %.0f", name, operations);
  for (int round = 0; round < ROUNDS; round++) {
    begun = cpu_s();
    for (int i = 0; i < repeats; i++) f();
    printf(" %.9f", (cpu_s() - begun) / repeats);
  }
  printf("\n");
}

float* numbers(Index count) {
  float* memory = (float*)take_memory((count + 16) * sizeof(float));
  for (Index i = 0; i < count; i++) memory[i] = (float)((int)(mix(i) >> 40) % 1000) / 1000;
  return memory;
}

// Independent chains: enough for two operations a cycle of four cycles each, few enough for sixteen registers.
constexpr int CHAINS = 10, STEPS = 10000;

void multiply_add() {
  Wide chains[CHAINS], factor = splat<Wide>(.5f), term = splat<Wide>(.75f);  // the numbers stay below two
  UNROLL for (int i = 0; i < CHAINS; i++) chains[i] = splat<Wide>((float)i / CHAINS);
  for (int k = 0; k < STEPS; k++) UNROLL for (int i = 0; i < CHAINS; i++) chains[i] = fma(chains[i], factor, term);
  asm volatile("" : : "r"(chains) : "memory");
}

void convolution(int side, int inputs, int outputs) {
  static Scratch scratch;
  const Shape shape{side, side};
  const Index transformed = POSITIONS * filter_stride(inputs, outputs);
  float *maps = (float*)take_memory(IMAGES * shape.bordered_pixels() * inputs * 4), *gradients = (float*)take_memory(IMAGES * shape.bordered_pixels() * outputs * 4);
  float *filters = numbers(transformed), *added = numbers(transformed), *bias = numbers(outputs);
  const Map x = Map::bordered(maps, shape, inputs), y = Map::bordered(gradients, shape, outputs);
  for (int image = 0; image < IMAGES; image++)
    for (int r = 0; r < side; r++) {
      for (int i = 0; i < side * inputs; i++) x.pixels[image * x.image + r * x.row + i] = .5f;
      for (int i = 0; i < side * outputs; i++) y.pixels[image * y.image + r * y.row + i] = .25f;
    }
  const double operations = 2. * 9 * inputs * outputs * side * side * IMAGES;
  char name[64];
  const auto named = [&](const char* pass) {
    snprintf(name, sizeof name, "%s-%dx%d-%d-%d", pass, side, side, inputs, outputs);
    return name;
  };
  Sink forward, back;
  forward.y = y;
  forward.bias = bias;
  time_it(named("forward"), operations, [&] { convolve<After::RELU>(scratch, x, filters, forward, shape, inputs, outputs, IMAGES); });
  time_it(named("filters"), operations, [&] { add_gradients(scratch, x, y, added, bias, shape, inputs, outputs, IMAGES); });
  // Into a map of its own: what it reads decides where a gradient passes.
  back.y = Map::bordered((float*)take_memory(IMAGES * shape.bordered_pixels() * inputs * 4), shape, inputs);
  back.forward = x.pixels;
  time_it(named("inputs"), operations, [&] { convolve<After::MASK>(scratch, y, filters, back, shape, outputs, inputs, IMAGES); });
}

}  // namespace

int main() {
  time_it("peak", 2. * LANES<Wide> * CHAINS * STEPS, multiply_add);
  convolution(28, 16, 16);
  convolution(32, 16, 16);
  convolution(14, 32, 32);
  convolution(16, 32, 32);
  convolution(7, 64, 64);
  convolution(8, 64, 64);
}
