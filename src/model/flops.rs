//! How many floating-point operations a training step needs, counting the matrix products of the
//! definition (one multiplication and one addition each) and nothing an implementation does besides.

use super::Config;

/// Operations of a forward pass for `tokens` tokens in rows of `length`, without any head. Attention counts
/// the keys that a query sees: `window + 1` of a Longformer's row, all of a dense one; global tokens are
/// left out.
pub fn encoder(config: &Config, tokens: f64, length: f64) -> f64 {
    let Sizes { width, layers, .. } = Sizes::of(config);
    let projections = layers * (3.0 * width * width + after_attention(config));
    2.0 * tokens * (projections + 2.0 * seen(config, length, 0.0) * width)
}

/// What a masked-LM training step works on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskedLmStep {
    /// Tokens in all rows together, padding left out.
    pub tokens: f64,
    /// Tokens of one row.
    pub length: f64,
    /// Global tokens of one row.
    pub globals: f64,
    /// Tokens that are predicted.
    pub masked: f64,
}

impl MaskedLmStep {
    /// Operations of forward and backward, every layer on every token, the head on the masked ones. The
    /// backward pass costs twice the forward pass.
    pub fn operations(&self, config: &Config) -> f64 {
        let Sizes { width, words, .. } = Sizes::of(config);
        let head = 2.0 * self.masked * (width * width + width * words);
        3.0 * (encoder(config, self.tokens, self.length) + self.global_attention(config) + head)
    }

    /// The same without what nobody uses: after the last attention a token's result depends on that token
    /// alone, and only those of the masked ones are read.
    pub fn used_operations(&self, config: &Config) -> f64 {
        self.operations(config) - 3.0 * 2.0 * (self.tokens - self.masked) * after_attention(config)
    }

    /// What global tokens add to a forward pass: one more key for every token, and for themselves the keys
    /// of their whole row, through projections of their own.
    fn global_attention(&self, config: &Config) -> f64 {
        let sliding = (0..config.num_hidden_layers).filter(|layer| config.window(*layer).is_some()).count();
        if self.globals == 0.0 || sliding == 0 {
            return 0.0;
        }
        let Sizes { width, .. } = Sizes::of(config);
        let global_rows = self.tokens / self.length * self.globals;
        let more = seen(config, self.length, self.globals) - seen(config, self.length, 0.0);
        let projections = sliding as f64 * width * width * (2.0 * self.tokens + global_rows);
        let whole_rows = sliding as f64 * 2.0 * global_rows * self.length * width;
        2.0 * (projections + 2.0 * self.tokens * more * width + whole_rows)
    }
}

struct Sizes {
    width: f64,
    inner: f64,
    layers: f64,
    words: f64,
}

impl Sizes {
    fn of(config: &Config) -> Self {
        let [width, inner, layers, words] =
            [config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.vocab_size]
                .map(|size| size as f64);
        Self { width, inner, layers, words }
    }
}

/// Products of one layer for one token between its attention and the next layer's.
fn after_attention(config: &Config) -> f64 {
    let Sizes { width, inner, .. } = Sizes::of(config);
    width * width + 2.0 * width * inner
}

/// Keys that a query sees, summed over the layers.
fn seen(config: &Config, length: f64, globals: f64) -> f64 {
    (0..config.num_hidden_layers)
        .map(|layer| config.window(layer).map_or(length, |window| length.min((window + 1) as f64 + globals)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::families::{Family, LONGFORMER, ROBERTA};
    use super::*;

    fn sizes(family: &'static Family, attention_window: Option<Vec<i64>>) -> Config {
        Config {
            vocab_size: 5,
            hidden_size: 2,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            intermediate_size: 3,
            attention_window,
            ..Config::base(family)
        }
    }

    const STEP: MaskedLmStep = MaskedLmStep { tokens: 8.0, length: 8.0, globals: 0.0, masked: 1.0 };

    /// One layer of width 2: projections 4 · 2² + 2 · 2 · 3 = 28 products a token, the head 2² + 2 · 5
    /// = 14 for a masked one; forward and backward are three times two operations for each.
    #[test]
    fn a_step_is_counted_as_by_hand() {
        // Each of 8 tokens sees all 8, twice 2 products each: 28 + 32.
        let full = STEP.operations(&sizes(&ROBERTA, None));
        assert_eq!(full, 6.0 * (8.0 * 60.0 + 14.0));
        // A window of 2 is a token and its neighbours: 28 + 12.
        let long = sizes(&LONGFORMER, Some(vec![2]));
        assert_eq!(STEP.operations(&long), 6.0 * (8.0 * 40.0 + 14.0));
        // Seven tokens are not predicted; 2² + 2 · 2 · 3 products after the attention are not needed of each.
        assert_eq!(STEP.used_operations(&long), 6.0 * (8.0 * 40.0 + 14.0 - 7.0 * 16.0));
    }

    /// One global token of 8: 4 more products for its key's and value's place in each local row; its own
    /// query, keys and values, 4 products for each of 1 + 8 + 8; its row of 8 keys, 4 products each.
    #[test]
    fn a_global_token_is_counted_as_by_hand() {
        let config = sizes(&LONGFORMER, Some(vec![2]));
        let with_global = MaskedLmStep { globals: 1.0, ..STEP }.operations(&config);
        assert_eq!(with_global - STEP.operations(&config), 6.0 * (8.0 * 4.0 + 17.0 * 4.0 + 8.0 * 4.0));
    }

    /// The figure that `docs/performance.md` begins with.
    #[test]
    fn a_long_roberta_base_needs_six_tenths_of_a_gigaflop_per_token() {
        let config = Config::base(&LONGFORMER);
        let step = MaskedLmStep { tokens: 4096.0, length: 4096.0, globals: 0.0, masked: 0.15 * 4096.0 };
        let per_token = step.operations(&config) / step.tokens / 1e9;
        assert!((per_token - 0.602).abs() < 5e-4, "{per_token}");
    }
}
