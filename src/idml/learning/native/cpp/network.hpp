// A network: its layers, their memory, and the way forward and back.
//
// Images go in groups of at most four, layer after layer, and back again: what lies between fits the L2 cache. Within a
// group, large maps go in twos. Their gradients add up over the minibatch in the order of the images.
#pragma once
#include "dense.hpp"
#include "first.hpp"
#include "kernels.hpp"
#include "memory.hpp"
#include "products.hpp"

namespace idml {
namespace {

constexpr int MOST_LAYERS = 64, MOST_SIDE = MOST_WIDTH, MOST_CLASSES = 65536;
constexpr int GROUP = 4, GROUP_OF_LARGE = 2, SMALL_SIDE = 8;

inline int filled(int channels) { return (channels + 7) / 8 * 8; }

struct Layer {
  int inputs, outputs;  // channels, filled up
  int real_inputs, real_outputs;
  bool pooled, direct;
  Shape shape;
  Index filters, bias;       // where they lie among the parameters
  float* input;              // maps of a group
  float* forward_filters;    // transformed
  float* backward_filters;   // turned and transformed
  float* filter_gradient;    // transformed
  float* gradient;           // of the convolution's output, for a group of the stage; shared between layers
  float* pooled_gradient;    // of the pool's output
  int32_t* winner;           // see Sink

  Map input_map() const { return Map::bordered(input, shape, inputs); }
  Map gradient_map() const { return Map::bordered(gradient, shape, outputs); }
  Map pooled_gradient_map() const { return Map::bordered(pooled_gradient, shape.pooled(), outputs); }
  Index pooled_size() const { return shape.pooled().pixels() * outputs; }
  int group(bool training) const { return !training || (shape.height <= SMALL_SIDE && shape.width <= SMALL_SIDE) ? GROUP : GROUP_OF_LARGE; }
};

struct Network : idml_network {
  Scratch scratch;
  Rows rows;
  Layer layers[MOST_LAYERS];
  int stages[MOST_LAYERS + 1];  // first layers between which maps keep their size
  int layer_count, stage_count, channels, classes;
  Shape image, last;       // of an image, of the last maps
  int last_channels, last_real_channels;
  Index features, size, real_size, dense_place, bytes;
  float dropout;
  float *feature_maps, *feature_gradients, *logits;
  float *parameters, *velocity, *gradient, *turned;  // in the order of this library

  // Takes memory for everything.
  void lay_out(Arena& arena) {
    Index most_filters = 0;
    for (int i = 0; i < layer_count; i++) {
      Layer& a = layers[i];
      const Index transformed = POSITIONS * filter_stride(a.inputs, a.outputs), filters = 9L * a.inputs * a.outputs;
      a.input = arena.take(GROUP * a.shape.bordered_pixels() * a.inputs);
      if (!a.direct) {
        a.forward_filters = arena.take(transformed);
        a.backward_filters = i ? arena.take(transformed) : nullptr;
        a.filter_gradient = arena.take(transformed);
      }
      if (filters > most_filters) most_filters = filters;
      // A layer reads its own gradient while it writes that of the layer below: every other one shares.
      a.gradient = nullptr;
      for (int j = 0; j < i; j++)
        if (layers[j].shape == a.shape && layers[j].outputs == a.outputs && (i - j) % 2 == 0) a.gradient = layers[j].gradient;
      if (!a.gradient) a.gradient = arena.take(GROUP * a.shape.bordered_pixels() * a.outputs);
      a.winner = a.pooled ? arena.take<int32_t>(GROUP * a.pooled_size()) : nullptr;
      a.pooled_gradient = a.pooled && i < layer_count - 1 ? arena.take(GROUP * a.shape.pooled().bordered_pixels() * a.outputs) : nullptr;
    }
    feature_maps = arena.take(GROUP * features);
    feature_gradients = arena.take(GROUP * features);
    logits = arena.take(classes);
    parameters = arena.take(size);
    velocity = arena.take(size);
    gradient = arena.take(size);
    turned = arena.take(most_filters);
  }

  // ---- a pass ----

  void prepare_filters(bool training) {
    for (int i = 0; i < layer_count; i++) {
      Layer& a = layers[i];
      if (a.direct) continue;
      transform_filters(parameters + a.filters, a.forward_filters, a.inputs, a.outputs);
      if (!training) continue;
      memset(a.filter_gradient, 0, POSITIONS * filter_stride(a.inputs, a.outputs) * sizeof(float));
      if (!i) continue;
      turn_filters(parameters + a.filters, turned, a.inputs, a.outputs);
      transform_filters(turned, a.backward_filters, a.outputs, a.inputs);
    }
  }

  // Takes in an image [channel][row][column] as number `place` of a group.
  void take_in(const float* pixels, int place) {
    if (!layer_count) {
      memcpy(feature_maps + place * features, pixels, channels * image.pixels() * sizeof(float));
      return;
    }
    const Map to = layers[0].input_map().from_image(place);
    const int step = layers[0].inputs;
    for (int c = 0; c < channels; c++)
      for (int r = 0; r < image.height; r++, pixels += image.width) {
        float* row = to.pixels + r * to.row + c;
        if (step == 1) memcpy(row, pixels, image.width * sizeof(float));
        else for (int q = 0; q < image.width; q++) row[q * step] = pixels[q];
      }
  }

  // From the inputs of `count` images to their features. first: number of the first in the epoch, for dropout.
  void forward(int count, bool training, uint64_t seed, int64_t first) {
    for (int s = 0; s < stage_count; s++) {
      const int group = layers[stages[s]].group(training);
      for (int b = 0; b < count; b += group) {
        const int images = count - b < group ? count - b : group;
        for (int i = stages[s]; i < stages[s + 1]; i++) {
          Layer& a = layers[i];
          const Map x = a.input_map().from_image(b);
          Sink sink;
          sink.y = i < layer_count - 1 ? layers[i + 1].input_map().from_image(b) : Map::flat(feature_maps, last, a.outputs).from_image(b);
          sink.bias = parameters + a.bias;
          if (training && a.pooled) {
            sink.winner = a.winner + b * a.pooled_size();
            sink.dropout = Dropout::of(dropout, seed, i).from_image(first + b);
          }
          if (a.direct)
            with_inputs(a.inputs, [&](auto n) { direct<n.value>(rows, x, parameters + a.filters, sink, a.shape, a.outputs, images, a.pooled); });
          else if (a.pooled)
            convolve<After::POOL>(scratch, x, a.forward_filters, sink, a.shape, a.inputs, a.outputs, images);
          else
            convolve<After::RELU>(scratch, x, a.forward_filters, sink, a.shape, a.inputs, a.outputs, images);
        }
      }
    }
  }

  // From the gradients of the features of `count` images to those of the filters and biases.
  void backward(int count) {
    const float scale = dropout > 0 ? 1 / (1 - dropout) : 1;
    for (int s = stage_count - 1; s >= 0; s--) {
      const int group = layers[stages[s]].group(true);
      for (int b = 0; b < count; b += group) {
        const int images = count - b < group ? count - b : group;
        for (int i = stages[s + 1] - 1; i >= stages[s]; i--) {
          Layer& a = layers[i];
          const Map x = a.input_map().from_image(b), dy = a.gradient_map();
          const Map features_back = Map::flat(feature_gradients, last, a.outputs).from_image(b);
          if (a.pooled) {
            const Map d = i < layer_count - 1 ? a.pooled_gradient_map().from_image(b) : features_back;
            pool_back(d, a.winner + b * a.pooled_size(), dy, a.shape, a.outputs, images);
          } else if (i == layer_count - 1) {
            for (int k = 0; k < images; k++)
              for (int r = 0; r < a.shape.height; r++)
                memcpy(dy.pixels + k * dy.image + r * dy.row, features_back.pixels + k * features_back.image + r * features_back.row, features_back.row * sizeof(float));
          }
          if (a.direct) {
            with_inputs(a.inputs, [&](auto n) { add_direct_gradients<n.value>(x, dy, gradient + a.filters, gradient + a.bias, a.shape, a.outputs, images); });
            continue;
          }
          add_gradients(scratch, x, dy, a.filter_gradient, gradient + a.bias, a.shape, a.inputs, a.outputs, images);
          if (!i) continue;
          const Layer& below = layers[i - 1];
          Sink sink;
          sink.y = below.pooled ? below.pooled_gradient_map().from_image(b) : below.gradient_map();
          sink.forward = x.pixels;
          sink.scale = below.pooled ? scale : 1;
          convolve<After::MASK>(scratch, dy, a.backward_filters, sink, a.shape, a.outputs, a.inputs, images);
        }
      }
    }
  }

  // Sums the gradient of `count` images, numbered order[0], order[1], ... or 0, 1, ..., into `gradient`; returns their losses.
  double add_up(const float* images, const int64_t* labels, const int64_t* order, int64_t count, uint64_t seed, int64_t first) {
    const Index image_size = channels * image.pixels();
    const float scale = layer_count && layers[layer_count - 1].pooled && dropout > 0 ? 1 / (1 - dropout) : 1;
    const float *weights = parameters + dense_place, *bias = weights + classes * features;
    float *dweights = gradient + dense_place, *dbias = dweights + classes * features;
    double loss = 0;
    memset(gradient, 0, size * sizeof(float));
    prepare_filters(true);
    for (int64_t i = 0; i < count; i += GROUP) {
      const int k = count - i < GROUP ? (int)(count - i) : GROUP;
      for (int j = 0; j < k; j++) take_in(images + (order ? order[i + j] : i + j) * image_size, j);
      forward(k, true, seed, first + i);
      for (int j = 0; j < k; j++) {
        const float* x = feature_maps + j * features;
        dense(x, weights, bias, features, classes, logits);
        loss += cross_entropy(logits, classes, labels[order ? order[i + j] : i + j]);
        dense_back(x, weights, logits, features, classes, feature_gradients + j * features, dweights, dbias, scale);
      }
      backward(k);
    }
    for (int i = 0; i < layer_count; i++)
      if (!layers[i].direct) transform_filter_gradients(layers[i].filter_gradient, gradient + layers[i].filters, layers[i].inputs, layers[i].outputs);
    return loss;
  }

  // A step of gradient descent for a minibatch of `count`, as torch.optim.SGD takes it.
  void step(int64_t count, float learning_rate, float momentum, float weight_decay) {
    const float mean_rate = -learning_rate / count, mean = 1.f / count;
    for (Index j = 0; j < size; j += 8) {  // the arena keeps lines of 64 bytes apart: no tail
      const Vec8 g = load<Vec8>(gradient + j), w = load<Vec8>(parameters + j);
      if (momentum == 0 && weight_decay == 0) {
        store(parameters + j, fma(splat<Vec8>(mean_rate), g, w));
        continue;
      }
      Vec8 d = fma(splat<Vec8>(weight_decay), w, splat<Vec8>(mean) * g);
      if (momentum != 0) {
        d = fma(splat<Vec8>(momentum), load<Vec8>(velocity + j), d);
        store(velocity + j, d);
      }
      store(parameters + j, fma(splat<Vec8>(-learning_rate), d, w));
    }
  }

  // ---- between PyTorch's order of parameters and this library's; channels that only fill up are zero, and stay zero ----

  // Calls f(theirs, step, ours, count) for runs of parameters: theirs[i * step] is ours[i].
  template <class F> void pair_up(F f) const {
    Index theirs = 0;
    for (int i = 0; i < layer_count; i++) {
      const Layer& a = layers[i];
      const Index filter = 9L * a.real_inputs;
      for (int k = 0; k < 9; k++)
        for (int c = 0; c < a.real_inputs; c++)
          f(theirs + 9L * c + k, filter, a.filters + ((Index)k * a.inputs + c) * a.outputs, a.real_outputs);
      theirs += filter * a.real_outputs;
      f(theirs, 1, a.bias, a.real_outputs);
      theirs += a.real_outputs;
    }
    const Index pixels = last.pixels();
    for (int j = 0; j < classes; j++, theirs += pixels * last_real_channels)
      for (Index p = 0; p < pixels; p++)
        f(theirs + p, pixels, dense_place + j * features + p * last_channels, last_real_channels);
    f(theirs, 1, dense_place + classes * features, classes);
  }
  void pack(const float* vector, float* packed) const {
    memset(packed, 0, size * sizeof(float));  // NaN may have come to where only zeros belong
    pair_up([&](Index theirs, Index step, Index ours, int count) {
      for (int i = 0; i < count; i++) packed[ours + i] = vector[theirs + i * step];
    });
  }
  void unpack(const float* packed, float* vector) const {
    pair_up([&](Index theirs, Index step, Index ours, int count) {
      for (int i = 0; i < count; i++) vector[theirs + i * step] = packed[ours + i];
    });
  }
};

}  // namespace
}  // namespace idml
