//! How many floating-point operations a training step needs, counting the matrix products of the
//! definition (one multiplication and one addition each) and nothing an implementation does besides.

use super::Config;

/// Operations of a forward pass for `tokens` tokens in rows of `length`, without any head. Attention counts
/// the keys that a query sees: `window + 1` of a Longformer's row, all of a dense one; global tokens are
/// left out.
pub fn encoder(config: &Config, tokens: f64, length: f64) -> f64 {
    let [width, inner, layers] =
        [config.hidden_size, config.intermediate_size, config.num_hidden_layers].map(|size| size as f64);
    let projections = 4.0 * width * width + 2.0 * width * inner;
    let seen: f64 = (0..config.num_hidden_layers)
        .map(|layer| config.window(layer).map_or(length, |window| length.min((window + 1) as f64)))
        .sum();
    2.0 * tokens * (layers * projections + 2.0 * seen * width)
}

/// Operations of forward and backward for `tokens` tokens in rows of `length`, of which `masked`
/// are predicted. The backward pass costs twice the forward pass.
pub fn masked_lm_step(config: &Config, tokens: i64, length: i64, masked: i64) -> f64 {
    let [width, words] = [config.hidden_size, config.vocab_size].map(|size| size as f64);
    let head = 2.0 * masked as f64 * (width * width + width * words);
    3.0 * (encoder(config, tokens as f64, length as f64) + head)
}

#[cfg(test)]
mod tests {
    use super::super::ModelType;
    use super::*;

    /// One layer of width 2: projections 4 · 2² + 2 · 2 · 3 = 28 products a token, the head 2² + 2 · 5
    /// = 14 for a masked one; forward and backward are three times two operations for each.
    #[test]
    fn a_step_is_counted_as_by_hand() {
        let sizes = |model_type, attention_window| Config {
            vocab_size: 5,
            hidden_size: 2,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            intermediate_size: 3,
            attention_window,
            ..Config::base(model_type)
        };
        // Each of 8 tokens sees all 8, twice 2 products each: 28 + 32.
        let full = masked_lm_step(&sizes(ModelType::Roberta, None), 8, 8, 1);
        assert_eq!(full, 6.0 * (8.0 * 60.0 + 14.0));
        // A window of 2 is a token and its neighbours: 28 + 12.
        let long = masked_lm_step(&sizes(ModelType::Longformer, Some(vec![2])), 8, 8, 1);
        assert_eq!(long, 6.0 * (8.0 * 40.0 + 14.0));
    }
}
