//! Which sequences share a forward pass. No padding is computed, so a pass costs what its tokens cost, and
//! it is by their tokens that sequences are put together: short ones are many in a pass, and fill a GPU
//! as a few long ones do.

/// Cuts `sequences`, which are sorted by length, into passes of at most `most_tokens` tokens, each as long
/// as can be; a sequence of more has a pass of its own. `tokens` tells the tokens of one.
pub(crate) fn passes<T>(
    sequences: &[T],
    most_tokens: usize,
    tokens: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
    let mut rest = sequences;
    std::iter::from_fn(move || {
        let mut sum = 0_usize;
        let fits = |sequence: &&T| {
            sum += tokens(sequence);
            sum <= most_tokens
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (pass, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(pass)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lengths: &[usize], most_tokens: usize) -> Vec<&[usize]> {
        passes(lengths, most_tokens, |length| *length).collect()
    }

    #[test]
    fn a_pass_takes_sequences_until_their_tokens_would_be_too_many() {
        assert_eq!(cut(&[2, 3, 3, 4, 6, 8], 8), [&[2, 3, 3][..], &[4], &[6], &[8]]);
        assert_eq!(cut(&[8, 6, 4, 3, 3, 2], 10), [&[8][..], &[6, 4], &[3, 3, 2]]);
    }

    #[test]
    fn a_sequence_longer_than_a_pass_goes_alone() {
        assert_eq!(cut(&[1, 9, 9], 8), [&[1][..], &[9], &[9]]);
        assert!(cut(&[], 8).is_empty());
    }
}
