// Calls around the optimizer step that tch does not offer.

#include "longqa.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cstdlib>

using longqa::guarded;
using longqa::tensors;

extern "C" {

void longqa_free(char *message) { std::free(message); }

char *longqa_gradient_norm(at::Tensor *const *gradients, size_t count, at::Tensor **norm) {
  return guarded([&] {
    auto norms = at::_foreach_norm(tensors(gradients, count));
    *norm = new at::Tensor(at::linalg_vector_norm(at::stack(norms)));
  });
}

struct longqa_adamw {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
};

char *longqa_fused_adamw(at::Tensor *const *parameters, at::Tensor *const *gradients,
                         at::Tensor *const *means, at::Tensor *const *squares, size_t count,
                         const at::Tensor *step, const at::Tensor *gradient_divisor,
                         const at::Tensor *skip, const longqa_adamw *settings) {
  return guarded([&] {
    at::_fused_adamw_(tensors(parameters, count), tensors(gradients, count), tensors(means, count),
                      tensors(squares, count), /*max_exp_avg_sqs=*/{},
                      std::vector<at::Tensor>(count, *step), settings->learning_rate,
                      settings->beta1, settings->beta2, settings->weight_decay, settings->epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, *gradient_divisor, *skip);
  });
}

char *longqa_drop_gradient(const at::Tensor *parameter) {
  return guarded([&] { parameter->mutable_grad() = at::Tensor(); });
}
}
