// Attention over packed sequences, put together from parts that do not overlap.
//
// A query's keys may come in several parts, each computed by itself by a kernel that also gives the
// logarithm of its softmax's denominator. With l the log-sum-exp of a part and L that of all of them
// together, the whole result is the sum of the parts' results, each times exp(l - L). The backward pass of
// a flash kernel computes probabilities as exp(score - log-sum-exp): given L and the whole result instead
// of the part's own, it gives the exact gradients of that part within the whole (Dao 2023, section 3.1).
//
// On CUDA the kernels are libtorch's variable-length flash attention. On the CPU, where there is none,
// libtorch's flash attention for CPUs under a mask stands in for it, quadratic in the number of tokens: it
// has the same interface (log-sum-exp out, log-sum-exp in), so all but the kernel itself can be tested.

#include "longqa.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <optional>

using at::Tensor;
using longqa::guarded;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// Sequences laid end to end: where each begins, and where the last ends, int32 [sequences + 1].
struct Stretch {
  Tensor offsets;
  int64_t longest;
};

// Keys that a query sees, of its own sequence: all, or those up to `side` positions away.
struct Keys {
  Tensor key, value; // [tokens, heads, head_dim]
  Stretch stretch;
  std::optional<int64_t> side;
};

struct Result {
  Tensor out;     // [tokens, heads, head_dim]
  Tensor log_sum; // [heads, tokens], float
  Tensor random, unused; // what the backward pass needs to draw the same dropout
};

struct Gradients {
  Tensor query, key, value;
};

// --- The stand-in on the CPU -----------------------------------------------------------------------

constexpr double unseen = -1e30; // finite: a query without any key gives numbers, which weigh nothing

// [tokens, heads, head_dim] to [1, heads, tokens, head_dim], and back
Tensor heads_first(const Tensor &x) { return x.transpose(0, 1).unsqueeze(0); }
Tensor tokens_first(const Tensor &x) { return x.squeeze(0).transpose(0, 1); }

// 0 where a query sees a key, [1, 1, queries, keys], of the queries' kind.
Tensor mask(const Tensor &query, const Stretch &queries, const Keys &keys) {
  auto places = [](const Stretch &stretch, int64_t tokens) {
    auto starts = stretch.offsets.slice(0, 0, -1).to(at::kLong);
    auto lengths = stretch.offsets.diff().to(at::kLong);
    auto row = at::repeat_interleave(lengths, std::optional<int64_t>(tokens));
    auto position = at::arange(tokens, starts.options()) - starts.index_select(0, row);
    return std::make_pair(row, position);
  };
  auto [query_row, query_position] = places(queries, query.size(0));
  auto [key_row, key_position] = places(keys.stretch, keys.key.size(0));
  auto seen = query_row.unsqueeze(1) == key_row.unsqueeze(0);
  if (keys.side) {
    seen = seen & ((query_position.unsqueeze(1) - key_position.unsqueeze(0)).abs() <= *keys.side);
  }
  auto zeros = at::zeros(seen.sizes(), query.options());
  return zeros.masked_fill(seen.logical_not(), unseen).unsqueeze(0).unsqueeze(0);
}

Result forward_on_cpu(const Tensor &query, const Stretch &queries, const Keys &keys, double dropout) {
  TORCH_CHECK(dropout == 0.0, "the CPU's stand-in for flash attention has no dropout");
  auto [out, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
      heads_first(query), heads_first(keys.key), heads_first(keys.value), dropout, false,
      mask(query, queries, keys));
  return {tokens_first(out), log_sum.squeeze(0), {}, {}};
}

Gradients backward_on_cpu(const Tensor &gradient, const Tensor &query, const Stretch &queries,
                          const Keys &keys, const Result &whole) {
  auto [d_query, d_key, d_value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      heads_first(gradient), heads_first(query), heads_first(keys.key), heads_first(keys.value),
      heads_first(whole.out), whole.log_sum.unsqueeze(0), 0.0, false, mask(query, queries, keys));
  return {tokens_first(d_query), tokens_first(d_key), tokens_first(d_value)};
}

// --- Flash attention on CUDA -----------------------------------------------------------------------

Result forward_on_cuda(const Tensor &query, const Stretch &queries, const Keys &keys, double dropout) {
  auto [out, log_sum, random, unused, debug] = at::_flash_attention_forward(
      query, keys.key, keys.value, queries.offsets, keys.stretch.offsets, queries.longest,
      keys.stretch.longest, dropout, /*is_causal=*/false, /*return_debug_mask=*/false,
      /*scale=*/std::nullopt, keys.side, keys.side);
  return {out, log_sum, random, unused};
}

Gradients backward_on_cuda(const Tensor &gradient, const Tensor &query, const Stretch &queries,
                           const Keys &keys, const Result &whole, const Result &part, double dropout) {
  auto [d_query, d_key, d_value] = at::_flash_attention_backward(
      gradient, query, keys.key, keys.value, whole.out, whole.log_sum, queries.offsets,
      keys.stretch.offsets, queries.longest, keys.stretch.longest, dropout, /*is_causal=*/false,
      part.random, part.unused, /*scale=*/std::nullopt, keys.side, keys.side);
  return {d_query, d_key, d_value};
}

// --- The parts put together ------------------------------------------------------------------------

Result merge(const Result &first, const Result &second) {
  // Of a query that has no key in a part, the kernel says that its log-sum-exp is plus infinity.
  constexpr double infinity = std::numeric_limits<double>::infinity();
  auto no_key_weighs_nothing = [](const Tensor &log_sum) {
    return log_sum.masked_fill(log_sum == infinity, -infinity);
  };
  auto log_first = no_key_weighs_nothing(first.log_sum);
  auto log_second = no_key_weighs_nothing(second.log_sum);
  auto log_sum = at::logaddexp(log_first, log_second);
  auto weighted = [&](const Tensor &out, const Tensor &log_part) {
    return out * (log_part - log_sum).exp().transpose(0, 1).unsqueeze(-1); // float
  };
  auto out = weighted(first.out, log_first).add_(weighted(second.out, log_second));
  return {out.to(first.out.scalar_type()).contiguous(), log_sum.contiguous(), {}, {}};
}

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  // There may be no second part; a side of -1 sees all.
  static Tensor forward(AutogradContext *context, const Tensor &query, const Tensor &offsets,
                        int64_t longest, const Tensor &key, const Tensor &value,
                        const Tensor &key_offsets, int64_t longest_key, int64_t side,
                        const std::optional<Tensor> &second_key,
                        const std::optional<Tensor> &second_value,
                        const std::optional<Tensor> &second_offsets, int64_t longest_second,
                        double dropout) {
    Stretch queries{offsets, longest};
    Keys keys{key, value, {key_offsets, longest_key}, seen_from(side)};
    auto part = query.is_cuda() ? forward_on_cuda : forward_on_cpu;
    auto first = part(query, queries, keys, dropout);
    auto whole = first;
    Result second;
    Keys others{second_key.value_or(Tensor()),
                second_value.value_or(Tensor()),
                {second_offsets.value_or(Tensor()), longest_second},
                std::nullopt};
    if (others.key.defined()) {
      second = part(query, queries, others, dropout);
      whole = merge(first, second);
    }
    context->save_for_backward({query, offsets, key, value, key_offsets, others.key, others.value,
                                others.stretch.offsets, whole.out, whole.log_sum, first.random,
                                first.unused, second.random, second.unused});
    context->saved_data["longest"] = longest;
    context->saved_data["longest_key"] = longest_key;
    context->saved_data["longest_second"] = longest_second;
    context->saved_data["side"] = side;
    context->saved_data["dropout"] = dropout;
    return whole.out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    auto saved = context->get_saved_variables();
    auto number = [&](const char *name) { return context->saved_data[name].toInt(); };
    auto dropout = context->saved_data["dropout"].toDouble();
    const auto &query = saved[0];
    Stretch queries{saved[1], number("longest")};
    Keys keys{saved[2], saved[3], {saved[4], number("longest_key")}, seen_from(number("side"))};
    Keys others{saved[5], saved[6], {saved[7], number("longest_second")}, std::nullopt};
    Result whole{saved[8], saved[9], {}, {}};
    Result first{{}, {}, saved[10], saved[11]}, second{{}, {}, saved[12], saved[13]};
    auto gradient = gradients[0].contiguous();
    auto of_part = [&](const Keys &keys, const Result &part) {
      return query.is_cuda()
                 ? backward_on_cuda(gradient, query, queries, keys, whole, part, dropout)
                 : backward_on_cpu(gradient, query, queries, keys, whole);
    };
    auto by_first = of_part(keys, first);
    Gradients by_second;
    if (others.key.defined()) {
      by_second = of_part(others, second);
      by_first.query = by_first.query + by_second.query;
    }
    Tensor none;
    return {by_first.query, none, none, by_first.key, by_first.value, none, none,
            none, by_second.key, by_second.value, none, none, none};
  }

  static std::optional<int64_t> seen_from(int64_t side) {
    return side < 0 ? std::nullopt : std::optional<int64_t>(side);
  }
};

} // namespace

extern "C" {

struct longqa_keys {
  const Tensor *key, *value, *offsets; // all null: there is no such part
  int64_t longest, side;
};

char *longqa_packed_attention(const Tensor *query, const Tensor *offsets, int64_t longest,
                              const longqa_keys *first, const longqa_keys *second, double dropout,
                              Tensor **result) {
  return guarded([&] {
    auto tensor = [](const Tensor *pointer) {
      return pointer ? std::optional<Tensor>(*pointer) : std::nullopt;
    };
    *result = new Tensor(PackedAttention::apply(
        *query, *offsets, longest, *first->key, *first->value, *first->offsets, first->longest,
        first->side, tensor(second->key), tensor(second->value), tensor(second->offsets),
        second->longest, dropout));
  });
}
}
