// What going back through recomputed layers needs and tch lacks: a generator's state, and a backward pass from
// tensors whose gradients are known.

#include "longqa.h"

#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>

#include <mutex>

using longqa::guarded;
using longqa::tensors;

extern "C" {

char *longqa_generator_state(const at::Tensor *on, at::Tensor **state) {
  return guarded([&] {
    auto generator = at::globalContext().defaultGenerator(on->device());
    const std::lock_guard<std::mutex> lock(generator.mutex());
    *state = new at::Tensor(generator.get_state());
  });
}

char *longqa_set_generator_state(const at::Tensor *on, const at::Tensor *state) {
  return guarded([&] {
    auto generator = at::globalContext().defaultGenerator(on->device());
    const std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(*state);
  });
}

char *longqa_backward(at::Tensor *const *outputs, at::Tensor *const *gradients, size_t count) {
  return guarded(
      [&] { torch::autograd::backward(tensors(outputs, count), tensors(gradients, count)); });
}
}
