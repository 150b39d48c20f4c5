// The library's functions for one instruction set: this file is compiled once for each, with IDML_SET as its name.
#include "network.hpp"

namespace idml {
namespace {

bool fits(const idml_plan& plan) {
  if (plan.channels < 1 || plan.height < 1 || plan.width < 1 || plan.classes < 1 || plan.classes > MOST_CLASSES) return false;
  if (plan.height > MOST_SIDE || plan.width > MOST_SIDE || plan.channels > MOST_CHANNELS) return false;
  if (plan.convolutions < 0 || plan.convolutions > MOST_LAYERS || !(plan.dropout >= 0 && plan.dropout < 1)) return false;
  Shape shape{plan.height, plan.width};
  for (int i = 0; i < plan.convolutions; i++) {
    if (plan.outputs[i] < 1 || plan.outputs[i] > MOST_CHANNELS) return false;
    if (!plan.pools[i]) continue;
    shape = shape.pooled();
    if (!shape.height || !shape.width) return false;
  }
  return true;
}

// All of the network but its memory.
void describe(Network& net, const idml_plan& plan) {
  Shape shape{plan.height, plan.width};
  int channels = plan.channels;
  net.image = shape;
  net.channels = channels;
  net.classes = plan.classes;
  net.dropout = plan.dropout;
  net.layer_count = plan.convolutions;
  for (int i = 0; i < plan.convolutions; i++) {
    Layer& a = net.layers[i];
    a.direct = !i && channels <= MOST_DIRECT;
    a.real_inputs = channels;
    a.real_outputs = plan.outputs[i];
    a.inputs = a.direct ? channels : filled(channels);
    a.outputs = filled(a.real_outputs);
    a.pooled = plan.pools[i];
    a.shape = shape;
    a.filters = net.size;
    a.bias = a.filters + 9L * a.inputs * a.outputs;
    net.size = a.bias + a.outputs;
    net.real_size += 9L * a.real_inputs * a.real_outputs + a.real_outputs;
    if (!i || net.layers[i - 1].pooled) net.stages[net.stage_count++] = i;
    channels = a.real_outputs;
    if (a.pooled) shape = shape.pooled();
  }
  net.stages[net.stage_count] = plan.convolutions;
  // Without convolutions, features are the image's values in the order in which they come.
  net.last = plan.convolutions ? shape : Shape{1, 1};
  net.last_real_channels = plan.convolutions ? channels : channels * (int)shape.pixels();
  net.last_channels = filled(net.last_real_channels);
  net.features = net.last.pixels() * net.last_channels;
  net.dense_place = net.size;
  net.size += net.classes * (net.features + 1);
  net.real_size += net.classes * (net.last.pixels() * net.last_real_channels + 1);
}

extern const Kernels table;

idml_network* create(const idml_plan* plan) {
  if (!fits(*plan)) return nullptr;
  Network* sketch = (Network*)take_memory(sizeof(Network));
  if (!sketch) return nullptr;
  describe(*sketch, *plan);
  Arena count{nullptr};
  count.take<char>(sizeof(Network));
  sketch->lay_out(count);
  Network* net = (Network*)take_memory(count.taken);
  if (net) {
    memcpy((void*)net, sketch, sizeof(Network));
    Arena arena{(char*)net};
    arena.take<char>(sizeof(Network));
    net->lay_out(arena);
    net->kernels = &table;
    net->bytes = count.taken;
  }
  give_memory(sketch);
  return net;
}

void destroy(idml_network* network) { give_memory(network); }
int64_t parameters(const idml_network* network) { return ((const Network*)network)->real_size; }
int64_t bytes(const idml_network* network) { return ((const Network*)network)->bytes; }

bool are_classes(const int64_t* labels, int64_t count, int classes) {
  for (int64_t i = 0; i < count; i++)
    if (labels[i] < 0 || labels[i] >= classes) return false;
  return true;
}

int32_t train(idml_network* network, float* vector, const float* images, const int64_t* labels, const int64_t* order, int64_t count,
              int64_t batch, float learning_rate, float momentum, float weight_decay, uint64_t seed, double* loss) {
  Network& net = *(Network*)network;
  if (batch < 1) return IDML_BATCH;
  if (!are_classes(labels, count, net.classes)) return IDML_LABEL;
  for (int64_t i = 0; i < count; i++)
    if (order[i] < 0 || order[i] >= count) return IDML_ORDER;
  net.pack(vector, net.parameters);
  memset(net.velocity, 0, net.size * sizeof(float));
  double total = 0;
  for (int64_t b = 0; b < count; b += batch) {
    const int64_t m = count - b < batch ? count - b : batch;
    total += net.add_up(images, labels, order + b, m, seed, b);
    net.step(m, learning_rate, momentum, weight_decay);
  }
  net.unpack(net.parameters, vector);
  *loss = total / count;
  return IDML_OK;
}

int32_t gradient(idml_network* network, const float* vector, const float* images, const int64_t* labels, int64_t count, float* out, double* loss) {
  Network& net = *(Network*)network;
  if (!are_classes(labels, count, net.classes)) return IDML_LABEL;
  const float dropout = net.dropout;
  net.dropout = 0;
  net.pack(vector, net.parameters);
  *loss = net.add_up(images, labels, nullptr, count, 0, 0) / count;
  net.unpack(net.gradient, out);
  net.dropout = dropout;
  return IDML_OK;
}

// Calls f(image, logits) for each image.
template <class F> void evaluate(Network& net, const float* vector, const float* images, int64_t count, F f) {
  const Index size = net.channels * net.image.pixels();
  const float* weights = net.parameters + net.dense_place;
  net.pack(vector, net.parameters);
  net.prepare_filters(false);
  for (int64_t i = 0; i < count; i += GROUP) {
    const int k = count - i < GROUP ? (int)(count - i) : GROUP;
    for (int j = 0; j < k; j++) net.take_in(images + (i + j) * size, j);
    net.forward(k, false, 0, 0);
    for (int j = 0; j < k; j++) {
      dense(net.feature_maps + j * net.features, weights, weights + net.classes * net.features, net.features, net.classes, net.logits);
      f(i + j, net.logits);
    }
  }
}

void logits(idml_network* network, const float* vector, const float* images, int64_t count, float* out) {
  Network& net = *(Network*)network;
  evaluate(net, vector, images, count, [&](int64_t i, const float* l) { memcpy(out + i * net.classes, l, net.classes * sizeof(float)); });
}

int32_t score(idml_network* network, const float* vector, const float* images, const int64_t* labels, int64_t count, int64_t* correct, double* loss) {
  Network& net = *(Network*)network;
  if (!are_classes(labels, count, net.classes)) return IDML_LABEL;
  double total = 0;
  *correct = 0;
  evaluate(net, vector, images, count, [&](int64_t i, float* l) {
    *correct += best_class(l, net.classes) == labels[i];
    if (loss) total += cross_entropy(l, net.classes, labels[i]);
  });
  if (loss) *loss = total / count;
  return IDML_OK;
}

void dropout(float probability, uint64_t seed, int32_t layer, int64_t image, int64_t count, uint8_t* kept) {
  const Dropout drop = Dropout::of(probability, seed, layer);
  const uint64_t key = drop.image_key(image);
  for (int64_t i = 0; i < count; i += 8) {
    const Uint8 bits = random_bits<Vec8>((uint32_t)i, key);
    for (int64_t j = 0; j < 8 && i + j < count; j++) kept[i + j] = bits[j] >= drop.threshold;
  }
}

#define TEXT(name) TEXT_OF(name)
#define TEXT_OF(name) #name
const Kernels table = {TEXT(IDML_SET), create, destroy, parameters, bytes, train, gradient, logits, score, dropout};

}  // namespace

#define JOIN(a, b) JOIN_OF(a, b)
#define JOIN_OF(a, b) a##b
extern const Kernels* const JOIN(kernels_, IDML_SET);
const Kernels* const JOIN(kernels_, IDML_SET) = &table;

}  // namespace idml
