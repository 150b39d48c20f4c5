// Where pixels lie. A feature map is [row][column][channel]; channels are filled up to a multiple of 8 with zeros.
//
// Maps that a 3x3 convolution reads have a border of zeros: one pixel above and to the left, and to the right and below
// as many as whole 4x4 tiles need, plus one. Nothing is ever written there, so the zeros need setting once.
#pragma once
#include "numbers.hpp"

namespace idml {
namespace {

struct Shape {
  int height, width;

  int tile_rows() const { return (height + 3) / 4; }
  int tile_columns() const { return (width + 3) / 4; }
  int tiles() const { return tile_rows() * tile_columns(); }
  Index pixels() const { return (Index)height * width; }
  Index bordered_width() const { return 4 * tile_columns() + 2; }
  Index bordered_pixels() const { return (4 * tile_rows() + 2) * bordered_width(); }
  Shape pooled() const { return {height / 2, width / 2}; }
  bool operator==(Shape other) const { return height == other.height && width == other.width; }
};

// Feature maps of consecutive images: where pixel (0, 0) of the first is, and how far it is to the next row and image.
struct Map {
  float* pixels = nullptr;
  Index row = 0, image = 0;

  static Map bordered(float* memory, Shape shape, int channels) {
    const Index row = shape.bordered_width() * channels;
    return {memory + row + channels, row, shape.bordered_pixels() * channels};
  }
  static Map flat(float* memory, Shape shape, int channels) {
    return {memory, (Index)shape.width * channels, shape.pixels() * channels};
  }
  Map from_image(Index number) const { return {pixels + number * image, row, image}; }
};

// Tiles of several images, row by row.
struct Tile {
  const int rows, columns;
  int image, row, column;

  Tile(Shape shape, int number)
      : rows(shape.tile_rows()),
        columns(shape.tile_columns()),
        image(number / (rows * columns)),
        row(number / columns % rows),
        column(number % columns) {}
  void next() {
    if (++column < columns) return;
    column = 0;
    if (++row < rows) return;
    row = 0;
    image++;
  }
};

// Where a layer's values go, and what becomes of them on the way.
struct Sink {
  Map y;
  const float* bias = nullptr;
  const float* forward = nullptr;  // a gradient passes where this map, of y's strides, is active ...
  float scale = 1;                 // ... times this
  int32_t* winner = nullptr;       // [image][row][column][channel]: which of its four pixels a pool passes on
  Dropout dropout;
};

// 2x2 max pool, ReLU and dropout of eight or sixteen channels: four pixels in, one out.
// ReLU commutes with the maximum, and has a quarter of the work after it.
template <class V>
INLINE void pool(V a, V b, V c, V d, const Sink& sink, Index position, int32_t* winner, float* out, uint64_t key) {
  using Int = typename Kind<V>::Int;
  V most = greater(greater(a, b), greater(c, d));
  if (winner) {
    Int number = c == most ? Kind<V>::splat(2) : Kind<V>::splat(3);
    number = b == most ? Kind<V>::splat(1) : number;
    store_int<V>(winner + position, number & (a != most));
  }
  const V total = (a + b) + (c + d);
  most = total == total ? most : total;  // `greater` may lose a NaN
  most = relu(most);
  if (sink.dropout.threshold) {
    const Int kept = (Int)(random_bits<V>((uint32_t)position, key) >= Kind<V>::splat(sink.dropout.threshold));
    most = most * keep<V>(kept, splat<V>(sink.dropout.scale));
  }
  store(out, most);
}

}  // namespace
}  // namespace idml
