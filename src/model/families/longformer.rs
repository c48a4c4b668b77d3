//! Longformer (Beltagy et al. 2020): RoBERTa with sliding-window attention and global tokens. Every
//! other family is converted to this one.

use super::family::Family;
use super::roberta::ROBERTA;

/// Longformer.
pub const LONGFORMER: Family =
    Family { model_type: "longformer", class: "Longformer", prefix: "longformer.", ..ROBERTA };
