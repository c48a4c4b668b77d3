//! From span scores to answers, and from answers to the official metrics.
