/* The library's C interface: training and evaluation of small convolutional networks, on one thread.
 *
 * A network is a stack of 3x3 convolutions with zero padding, each followed by ReLU or by 2x2 max pooling, ReLU and
 * dropout, and one dense layer. Its parameters are a vector of float32 in PyTorch's order: of each convolution
 * [output][input][row][column], then its bias; of the dense layer [class][channel][row][column], then its bias. Images
 * are float32 [channel][row][column].
 *
 * There is no global state. A network may be used by one thread at a time; different networks by different threads.
 */
#ifndef IDML_NATIVE_H
#define IDML_NATIVE_H
#include <stdint.h>

#if defined(_WIN32)
#define IDML_API __declspec(dllexport)
#else
#define IDML_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct idml_network idml_network;

typedef struct {
  int32_t channels, height, width; /* of an image */
  int32_t classes;
  int32_t convolutions;
  const int32_t* outputs; /* channels of each convolution */
  const uint8_t* pools;   /* whether a pool follows it */
  float dropout;          /* probability after each pool, in [0, 1) */
} idml_plan;

enum { IDML_OK = 0, IDML_LABEL = 1, IDML_ORDER = 2, IDML_BATCH = 3 };

/* The interface's version, and that of the definition of a result: docs/determinism.md. */
IDML_API int32_t idml_abi(void);
IDML_API int32_t idml_definition(void);

/* Name of the instruction set that is used here; null if this processor has none that the library was built for. Before
 * anything else is called, ask this. */
IDML_API const char* idml_instruction_set(void);

/* A new network; null if the plan is beyond the limits or there is no memory. */
IDML_API idml_network* idml_create(const idml_plan* plan);
IDML_API void idml_destroy(idml_network* network);
IDML_API int64_t idml_parameters(const idml_network* network);
IDML_API int64_t idml_bytes(const idml_network* network);

/* One epoch of stochastic gradient descent over images[order[0]], images[order[1]], ...; changes the vector.
 * As torch.optim.SGD without dampening; momentum starts from zero. loss: mean over the images as they were trained on. */
IDML_API int32_t idml_train(idml_network* network, float* vector, const float* images, const int64_t* labels,
                            const int64_t* order, int64_t count, int64_t batch, float learning_rate, float momentum,
                            float weight_decay, uint64_t seed, double* loss);

/* The gradient of the summed loss without dropout; loss: the mean. */
IDML_API int32_t idml_gradient(idml_network* network, const float* vector, const float* images, const int64_t* labels,
                               int64_t count, float* gradient, double* loss);

/* Logits [image][class]. */
IDML_API void idml_logits(idml_network* network, const float* vector, const float* images, int64_t count, float* logits);

/* Images classified correctly (none with a NaN logit), and the mean loss, unless that is null. */
IDML_API int32_t idml_score(idml_network* network, const float* vector, const float* images, const int64_t* labels,
                            int64_t count, int64_t* correct, double* loss);

/* Which values dropout keeps (1) in the pooled map [row][column][channel, filled up to 8] of a convolution. */
IDML_API void idml_dropout(float probability, uint64_t seed, int32_t layer, int64_t image, int64_t count, uint8_t* kept);

/* Trains made-up networks, each in some milliseconds; returns a hash of weights, losses and logits, which the definition
 * of a result fixes. */
IDML_API int32_t idml_trials(void);
IDML_API uint64_t idml_trial(int32_t number);

#ifdef __cplusplus
}
#endif
#endif
