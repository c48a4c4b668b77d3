// Cross-entropy over a large vocabulary, without ever holding the logits of more than a few rows.

#include "longqa.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

using longqa::guarded;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

constexpr size_t inputs = 3; // hidden, weight, bias

struct Sum {
  at::Tensor loss;
  // By input; undefined where no gradient is wanted.
  at::Tensor gradients[inputs];
};

// hidden: [rows, width] in the kind that products are computed in; weight: [words, width] and
// bias: [words] in 32 bits; labels: [rows]. The gradients have their inputs' kinds.
Sum chunked(const at::Tensor &hidden, const at::Tensor &weight, const at::Tensor &bias,
            const at::Tensor &labels, int64_t chunk_rows, bool wants_gradients) {
  const auto kind = hidden.scalar_type();
  const auto factor = weight.to(kind);
  const auto offset = bias.to(kind);
  Sum sum{at::zeros({}, weight.options()), {}};
  auto &[hidden_gradient, weight_gradient, bias_gradient] = sum.gradients;
  if (wants_gradients) {
    hidden_gradient = at::empty_like(hidden);
    bias_gradient = at::zeros_like(bias);
  }
  // Once at least: no rows have gradients too, zeros.
  for (int64_t start = 0; start == 0 || start < hidden.size(0); start += chunk_rows) {
    const auto rows = std::min(chunk_rows, hidden.size(0) - start);
    const auto chunk = hidden.narrow(0, start, rows);
    const auto label = labels.narrow(0, start, rows).unsqueeze(1); // [rows, 1]
    auto scores = at::log_softmax(at::addmm(offset, chunk, factor.t()), 1, at::kFloat); // [rows, words]
    const auto of_label = scores.gather(1, label);
    sum.loss.sub_(of_label.sum());
    if (!wants_gradients) {
      continue;
    }
    // d loss / d logits = softmax - one-hot; expm1 keeps at the label what a difference would round away.
    const auto logits_gradient = scores.exp_().scatter_(1, label, at::expm1(of_label));
    bias_gradient.add_(logits_gradient.sum(0));
    const auto left = logits_gradient.to(kind);
    hidden_gradient.narrow(0, start, rows).copy_(at::mm(left, factor));
    if (start == 0) {
      weight_gradient = at::mm(left.t(), chunk).to(at::kFloat);
    } else if (kind == at::kFloat) {
      weight_gradient.addmm_(left.t(), chunk);
    } else {
      weight_gradient.add_(at::mm(left.t(), chunk));
    }
  }
  return sum;
}

// The gradients are computed along with the loss, while a chunk's logits are there: keeping them
// takes the memory of one more weight, computing the logits anew would take a third more products.
struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &hidden,
                            const at::Tensor &weight, const at::Tensor &bias,
                            const at::Tensor &labels, int64_t chunk_rows) {
    auto sum = chunked(hidden, weight, bias, labels, chunk_rows, /*wants_gradients=*/true);
    context->saved_data["gradients"] =
        std::vector<at::Tensor>(sum.gradients, sum.gradients + inputs);
    return sum.loss;
  }

  static variable_list backward(AutogradContext *context, const variable_list &outputs) {
    const auto saved = context->saved_data.find("gradients");
    TORCH_CHECK(saved != context->saved_data.end(), "expected one backward pass, found a second");
    auto gradients = saved->second.toTensorVector();
    context->saved_data.clear();
    for (auto &gradient : gradients) {
      gradient.mul_(outputs[0]);
    }
    gradients.resize(inputs + 2); // none for labels and chunk_rows
    return gradients;
  }
};

} // namespace

extern "C" char *longqa_cross_entropy_sum(const at::Tensor *hidden, const at::Tensor *weight,
                                          const at::Tensor *bias, const at::Tensor *labels,
                                          int64_t chunk_rows, at::Tensor **loss) {
  return guarded([&] {
    const bool wants_gradients =
        at::GradMode::is_enabled() &&
        (hidden->requires_grad() || weight->requires_grad() || bias->requires_grad());
    *loss = new at::Tensor(
        wants_gradients
            ? CrossEntropy::apply(*hidden, *weight, *bias, *labels, chunk_rows)
            : chunked(*hidden, *weight, *bias, *labels, chunk_rows, wants_gradients).loss);
  });
}
