//! An error and the causes behind it: whether one of them is of a type, and what they say.

use std::error::Error;
use std::iter;

/// The error, its cause, that one's cause, and so on.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// Whether the error or a cause of it is an `E`.
pub fn any_is<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| cause.is::<E>())
}

/// What the error and its causes say, outermost first. A cause whose words stand in what was said
/// before is left out: most of our messages end with those of their cause.
pub fn words(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for words in chain(error).map(ToString::to_string) {
        if !said.iter().any(|before| before.contains(&words)) {
            said.push(words);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupted;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Told {
        words: &'static str,
        source: Option<Box<Told>>,
    }

    fn told(words: &[&'static str]) -> Told {
        let (first, rest) = words.split_first().unwrap();
        Told { words: first, source: (!rest.is_empty()).then(|| Box::new(told(rest))) }
    }

    #[test]
    fn each_cause_is_told_once() {
        for (chain, expected) in [
            (&["a: cannot read: gone", "gone"][..], &["a: cannot read: gone"][..]),
            (&["outer", "a: cannot read: gone", "gone"], &["outer", "a: cannot read: gone"]),
            (&["outer", "middle", "inner"], &["outer", "middle", "inner"]),
            (&["outer: inner", "middle", "inner"], &["outer: inner", "middle"]),
            (&["alone"], &["alone"]),
        ] {
            assert_eq!(words(&told(chain)), expected);
        }
    }

    #[test]
    fn a_type_is_found_at_any_depth() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] Interrupted);
        assert!(any_is::<Interrupted>(&Interrupted));
        assert!(any_is::<Interrupted>(&Outer(Interrupted)));
        assert!(!any_is::<Interrupted>(&told(&["outer", "inner"])));
    }
}
