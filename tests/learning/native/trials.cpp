// Prints the hash of each of the library's trials, one a line, and with an argument that of a sweep over many shapes of
// networks: the same for every compiler and processor.
#include <stdio.h>
#include <stdlib.h>

#include "idml_native.h"

namespace {

uint64_t state = 1;
uint64_t draw(uint64_t below) {  // an LCG's upper bits: not good, but the same everywhere
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (state >> 33) % below;
}

uint64_t hash = 1469598103934665603ull;
template <class T> void take_in(const T* values, int64_t count) {  // FNV-1a
  for (size_t i = 0; i < count * sizeof(T); i++) hash = (hash ^ ((const unsigned char*)values)[i]) * 1099511628211ull;
}

// Arrays end where they end, so that a sanitizer sees what reads or writes beyond.
float* drawn(int64_t count, float most) {
  float* values = (float*)malloc(count * sizeof(float));
  for (int64_t i = 0; i < count; i++) values[i] = most * ((float)draw(65536) / 32768 - 1);
  return values;
}

// All that an engine asks of a network.
void use(const idml_plan& plan, int64_t count, int64_t batch) {
  idml_network* network = idml_create(&plan);
  if (!network) exit(1);
  const int64_t size = idml_parameters(network);
  float *vector = drawn(size, .2f), *gradient = drawn(size, 0), *logits = drawn(count * plan.classes, 0);
  float* images = drawn(count * plan.channels * plan.height * plan.width, 2);
  int64_t *labels = (int64_t*)malloc(count * sizeof(int64_t)), *order = (int64_t*)malloc(count * sizeof(int64_t)), correct;
  for (int64_t i = 0; i < count; i++) labels[i] = draw(plan.classes), order[i] = count - 1 - i;
  double losses[4];
  int32_t failed = idml_train(network, vector, images, labels, order, count, batch, .02f, 0, 0, 1, &losses[0]);
  failed |= idml_train(network, vector, images, labels, order, count, batch, .02f, .5f, .01f, 2, &losses[1]);
  failed |= idml_gradient(network, vector, images, labels, count, gradient, &losses[2]);
  failed |= idml_score(network, vector, images, labels, count, &correct, &losses[3]);
  failed |= idml_score(network, vector, images, labels, count, &correct, nullptr);
  idml_logits(network, vector, images, count, logits);
  if (failed) exit(1);
  take_in(vector, size), take_in(gradient, size), take_in(logits, count * plan.classes), take_in(losses, 4), take_in(&correct, 1);
  void* const arrays[] = {vector, gradient, logits, images, labels, order};
  for (void* array : arrays) free(array);
  idml_destroy(network);
}

constexpr int MOST_SIDE = 22, MOST_LAYERS = 4;

// Every height and width from 1 on, with whatever fits them.
void sweep() {
  const int32_t widths[] = {1, 3, 8, 9, 16, 17, 24, 32, 40, 64};
  for (int number = 0; number < 4 * MOST_SIDE; number++) {
    const int32_t height = number % MOST_SIDE + 1, width = number * 7 % (MOST_SIDE + 1) + 1, channels = number % 9 + 1;
    int32_t outputs[MOST_LAYERS], layers = (int32_t)draw(MOST_LAYERS + 1), least = height < width ? height : width;
    uint8_t pools[MOST_LAYERS];
    for (int32_t i = 0; i < layers; i++) {
      outputs[i] = widths[draw(sizeof widths / sizeof *widths)];
      pools[i] = least > 1 && draw(2);
      if (pools[i]) least /= 2;
    }
    const float dropout = draw(2) ? .3f : 0;
    const int64_t count = 1 + draw(6), batch = 1 + draw(count + 1);
    use({channels, height, width, 1 + (int32_t)draw(11), layers, outputs, pools, dropout}, count, batch);
  }
  // The most channels, which make the smallest blocks; and the longest sides.
  const int32_t most[] = {248, 256};
  const uint8_t pools[] = {0, 1};
  use({256, 5, 6, 3, 2, most, pools, .3f}, 3, 2);
  use({1, 2, 512, 3, 1, widths + 4, pools + 1, 0}, 3, 2);
  use({4, 512, 3, 3, 1, widths + 2, pools, 0}, 2, 2);
}

}  // namespace

int main(int count, char**) {
  fprintf(stderr, "%s\n", idml_instruction_set());
  for (int32_t number = 0; number < idml_trials(); number++) printf("%016llx\n", (unsigned long long)idml_trial(number));
  if (count == 1) return 0;
  sweep();
  printf("%016llx\n", (unsigned long long)hash);
}
