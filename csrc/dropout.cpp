// Dropout for CPUs, alone and behind a softmax, in one pass over the numbers.
//
// libtorch draws each number from one generator, stores what it drew, and walks over scores once more for
// softmax, dropout and their gradients each: at attention's sizes more work than the matrix products. Here a
// number is dropped or kept by a hash of its place and of a seed, which is all that is drawn from libtorch's
// generator, so nothing is stored: the way back hashes again. Probabilities are computed anew there from the
// scores and the logarithm of their sum of exponentials. All arithmetic is in 32 bits.

#include "longqa.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

using at::Tensor;
using longqa::guarded;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Compiled for several processors; the best that this one can run is chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define BEST_OF_PROCESSORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define BEST_OF_PROCESSORS
#endif
#define INLINE static inline __attribute__((always_inline))

namespace {

constexpr int lanes = 16;
constexpr float infinity = std::numeric_limits<float>::infinity();

// What is dropped of a tensor.
struct Drops {
  uint64_t seed;
  uint32_t threshold; // a hash below it drops
  float scale;        // of what is kept

  Drops(uint64_t seed, double probability)
      : seed(seed), threshold(static_cast<uint32_t>(std::lround(probability * 4294967295.0))),
        scale(static_cast<float>(1.0 / (1.0 - probability))) {}
};

// Of one row.
struct Key {
  uint32_t first, second;

  Key(uint64_t seed, int64_t row) {
    // The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
    uint64_t mixed = seed + 0x9e3779b97f4a7c15u * static_cast<uint64_t>(row + 1);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    first = static_cast<uint32_t>(mixed);
    second = static_cast<uint32_t>(mixed >> 32);
  }
};

// A 32-bit mixer of two multiplications, the row's keys at both ends and between.
INLINE uint32_t hashed(uint32_t place, Key key) {
  uint32_t h = place + key.first;
  h ^= h >> 16;
  h *= 0x7feb352du;
  h ^= (h >> 15) ^ key.second;
  h *= 0x846ca68bu;
  return h ^ (h >> 16);
}

INLINE float dropped(float x, int64_t place, Key key, Drops drops) {
  return hashed(static_cast<uint32_t>(place), key) < drops.threshold ? 0.0f : x * drops.scale;
}

// e to the x, for x of at most 0, within 2 units of the last place; 0 below -87; NaN of NaN.
INLINE float exponential(float x) {
  const float clamped = x < -87.0f ? -87.0f : x;
  const float magic = 12582912.0f; // adding and taking it away rounds to a whole number
  const float whole = (clamped * 1.44269504f + magic) - magic;
  const float r = (clamped - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float series = 1.9875691500e-4f;
  series = series * r + 1.3981999507e-3f;
  series = series * r + 8.3334519073e-3f;
  series = series * r + 4.1665795894e-2f;
  series = series * r + 1.6666665459e-1f;
  series = series * r + 5.0000001201e-1f;
  series = series * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.0f ? 0.0f : series * power;
}

BEST_OF_PROCESSORS
void drop_row(const float *in, float *out, int64_t count, Key key, Drops drops) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = dropped(in[i], i, key, drops);
  }
}

// What of the row's softmax is kept; returns the logarithm of the sum of exponentials.
BEST_OF_PROCESSORS
float softmax_drop_row(const float *scores, float *out, int64_t count, Key key, Drops drops) {
  const int64_t whole = count / lanes * lanes;
  float lane[lanes];
  for (int l = 0; l < lanes; ++l) {
    lane[l] = -infinity;
  }
  for (int64_t i = 0; i < whole; i += lanes) {
    for (int l = 0; l < lanes; ++l) {
      lane[l] = scores[i + l] > lane[l] ? scores[i + l] : lane[l];
    }
  }
  float largest = -infinity;
  for (int l = 0; l < lanes; ++l) {
    largest = lane[l] > largest ? lane[l] : largest;
    lane[l] = 0.0f;
  }
  for (int64_t i = whole; i < count; ++i) {
    largest = scores[i] > largest ? scores[i] : largest;
  }
  for (int64_t i = 0; i < whole; i += lanes) {
    for (int l = 0; l < lanes; ++l) {
      const float e = exponential(scores[i + l] - largest);
      out[i + l] = e;
      lane[l] += e;
    }
  }
  float sum = 0.0f;
  for (int64_t i = whole; i < count; ++i) {
    out[i] = exponential(scores[i] - largest);
    sum += out[i];
  }
  for (int l = 0; l < lanes; ++l) {
    sum += lane[l];
  }
  const float share = 1.0f / sum;
  for (int64_t i = 0; i < count; ++i) {
    out[i] = dropped(out[i] * share, i, key, drops);
  }
  return largest + std::log(sum);
}

// The gradient of the scores from that of what was kept; `kept` is scratch space.
BEST_OF_PROCESSORS
void softmax_drop_back_row(const float *scores, float log_sum, const float *gradient, float *kept,
                           float *out, int64_t count, Key key, Drops drops) {
  const int64_t whole = count / lanes * lanes;
  float lane[lanes] = {};
  for (int64_t i = 0; i < count; ++i) {
    kept[i] = dropped(gradient[i], i, key, drops);
    out[i] = exponential(scores[i] - log_sum > 0.0f ? 0.0f : scores[i] - log_sum);
  }
  for (int64_t i = 0; i < whole; i += lanes) {
    for (int l = 0; l < lanes; ++l) {
      lane[l] += kept[i + l] * out[i + l];
    }
  }
  float mean = 0.0f;
  for (int64_t i = whole; i < count; ++i) {
    mean += kept[i] * out[i];
  }
  for (int l = 0; l < lanes; ++l) {
    mean += lane[l];
  }
  for (int64_t i = 0; i < count; ++i) {
    out[i] *= kept[i] - mean;
  }
}

// --- Rows of any of the three kinds -----------------------------------------------------------------

BEST_OF_PROCESSORS
void widen(const uint16_t *bfloats, float *out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = static_cast<uint32_t>(bfloats[i]) << 16;
    std::memcpy(out + i, &bits, sizeof bits);
  }
}

BEST_OF_PROCESSORS
void narrow(const float *floats, uint16_t *out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, floats + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    out[i] = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
  }
}

// A contiguous tensor as rows of its last dimension, read and written as floats.
class Rows {
public:
  explicit Rows(const Tensor &tensor)
      : kind_(tensor.scalar_type()), width_(tensor.size(-1)), data_(tensor.data_ptr()) {
    TORCH_CHECK(kind_ == at::kFloat || kind_ == at::kBFloat16 || kind_ == at::kHalf,
                "dropout on a CPU: expected float32, bfloat16 or float16, found ", kind_);
  }

  // The row itself, or a copy in `space`.
  const float *read(int64_t row, float *space) const {
    if (kind_ == at::kFloat) {
      return static_cast<const float *>(data_) + row * width_;
    }
    if (kind_ == at::kBFloat16) {
      widen(static_cast<const uint16_t *>(data_) + row * width_, space, width_);
    } else {
      auto *halves = static_cast<const at::Half *>(data_) + row * width_;
      std::copy(halves, halves + width_, space);
    }
    return space;
  }

  // Where to write the row; `finish` it then.
  float *begin(int64_t row, float *space) const {
    return kind_ == at::kFloat ? static_cast<float *>(data_) + row * width_ : space;
  }

  void finish(int64_t row, const float *space) const {
    if (kind_ == at::kBFloat16) {
      narrow(space, static_cast<uint16_t *>(data_) + row * width_, width_);
    } else if (kind_ == at::kHalf) {
      std::copy(space, space + width_, static_cast<at::Half *>(data_) + row * width_);
    }
  }

private:
  at::ScalarType kind_;
  int64_t width_;
  void *data_;
};

// Calls `body(row, four floats per column of scratch space)` for each row, on libtorch's threads.
template <typename Body> void for_rows(const Tensor &tensor, Body body) {
  if (tensor.numel() == 0) {
    return;
  }
  const int64_t width = tensor.size(-1), rows = tensor.numel() / width;
  const int64_t grain = std::max<int64_t>(1, 32768 / width);
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> space(4 * width);
    for (int64_t row = begin; row < end; ++row) {
      body(row, space.data());
    }
  });
}

uint64_t drawn_seed() {
  auto *generator = at::get_generator_or_default<at::CPUGeneratorImpl>(
      std::nullopt, at::detail::getDefaultCPUGenerator());
  const std::lock_guard<std::mutex> lock(generator->mutex_);
  return generator->random64();
}

Tensor drop(const Tensor &input, Drops drops) {
  const auto x = input.contiguous();
  auto out = at::empty_like(x);
  const Rows from(x), to(out);
  const int64_t width = x.size(-1);
  for_rows(x, [&](int64_t row, float *space) {
    float *written = to.begin(row, space + width);
    drop_row(from.read(row, space), written, width, Key(drops.seed, row), drops);
    to.finish(row, written);
  });
  return out;
}

struct Dropout : torch::autograd::Function<Dropout> {
  static Tensor forward(AutogradContext *context, const Tensor &x, double probability) {
    const auto seed = drawn_seed();
    context->saved_data["seed"] = static_cast<int64_t>(seed);
    context->saved_data["probability"] = probability;
    return drop(x, {seed, probability});
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto seed = static_cast<uint64_t>(context->saved_data["seed"].toInt());
    return {drop(gradients[0], {seed, context->saved_data["probability"].toDouble()}), Tensor()};
  }
};

struct SoftmaxDropout : torch::autograd::Function<SoftmaxDropout> {
  static Tensor forward(AutogradContext *context, const Tensor &input, double probability) {
    const auto scores = input.contiguous();
    const auto seed = drawn_seed();
    const Drops drops(seed, probability);
    auto out = at::empty_like(scores);
    const int64_t width = scores.size(-1);
    auto log_sums = at::empty({width ? scores.numel() / width : 0}, scores.options().dtype(at::kFloat));
    const Rows from(scores), to(out);
    float *log_sum = log_sums.data_ptr<float>();
    for_rows(scores, [&](int64_t row, float *space) {
      float *written = to.begin(row, space + width);
      log_sum[row] =
          softmax_drop_row(from.read(row, space), written, width, Key(seed, row), drops);
      to.finish(row, written);
    });
    context->save_for_backward({scores, log_sums});
    context->saved_data["seed"] = static_cast<int64_t>(seed);
    context->saved_data["probability"] = probability;
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &scores = saved[0];
    const float *log_sum = saved[1].data_ptr<float>();
    const auto seed = static_cast<uint64_t>(context->saved_data["seed"].toInt());
    const Drops drops(seed, context->saved_data["probability"].toDouble());
    const auto gradient = gradients[0].contiguous();
    auto out = at::empty_like(scores);
    const int64_t width = scores.size(-1);
    const Rows from(scores), of(gradient), to(out);
    for_rows(scores, [&](int64_t row, float *space) {
      float *written = to.begin(row, space + 3 * width);
      softmax_drop_back_row(from.read(row, space), log_sum[row], of.read(row, space + width),
                            space + 2 * width, written, width, Key(seed, row), drops);
      to.finish(row, written);
    });
    return {out, Tensor()};
  }
};

} // namespace

extern "C" {

char *longqa_dropout(const Tensor *x, double probability, Tensor **result) {
  return guarded([&] { *result = new Tensor(Dropout::apply(*x, probability)); });
}

char *longqa_softmax_dropout(const Tensor *scores, double probability, Tensor **result) {
  return guarded([&] { *result = new Tensor(SoftmaxDropout::apply(*scores, probability)); });
}
}
