//! How many floating-point operations a training step needs, counting the matrix products of the
//! definition (one multiplication and one addition each) and nothing an implementation does besides.

use super::Config;

/// Operations of forward and backward for `tokens` tokens in rows of `length`, of which `masked`
/// are predicted. The backward pass costs twice the forward pass. Attention counts the keys that a
/// query sees: `window + 1` of a Longformer's row, all of a dense one; global tokens are left out.
pub fn masked_lm_step(config: &Config, tokens: i64, length: i64, masked: i64) -> f64 {
    let [width, inner, layers, words] =
        [config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.vocab_size]
            .map(|size| size as f64);
    let projections = 4.0 * width * width + 2.0 * width * inner;
    let seen: f64 = (0..config.num_hidden_layers)
        .map(|layer| config.window(layer).map_or(length, |window| length.min(window + 1)) as f64)
        .sum();
    let per_token = layers * projections + 2.0 * seen * width;
    let per_masked = width * width + width * words;
    3.0 * 2.0 * (tokens as f64 * per_token + masked as f64 * per_masked)
}
