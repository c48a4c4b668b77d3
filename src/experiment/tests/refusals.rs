//! Experiments that refer to nothing, or ask for what cannot be.

use super::*;

#[test]
fn names_that_refer_to_nothing_are_reported_with_the_nearest_that_would() {
    let bench = Bench::new();
    for (from, to, parts) in [
        (
            "models = [\"long\"]",
            "models = [\"lang\"]",
            &["tasks.far.models", "`lang`", "nearest is `long`"][..],
        ),
        ("from = \"short\"", "from = \"shor\"", &["models.long.from", "nearest is `short`"]),
        ("from = \"short\"", "from = \"long\"", &["models.long.from", "models.long → models.long"]),
        ("from = \"short\"", "from = \"short\"\ncheckpoint = \"roberta\"", &["models.long", "several"]),
        ("checkpoint = \"roberta\"", "published = \"a\"", &["models.short", "found none"]),
        (
            "checkpoint = \"roberta\"",
            "checkpoint = \"robertaa\"",
            &["models.short.checkpoint", "in the lock: roberta"],
        ),
        ("checkpoint = \"roberta\"", "checkpoint = \"squad/dev\"", &["models.short.checkpoint", "dev.json"]),
        ("checkpoint = \"roberta\"", "checkpoint = \"./none\"", &["none", "cannot read"]),
        ("\"squad/dev\"\nmax", "\"squad/dew\"\nmax", &["tasks.near.evaluate", "squad/dev"]),
        ("\"squad/dev\"\nmax", "\"squad\"\nmax", &["tasks.near.evaluate", "several: squad/train, squad/dev"]),
        ("\"squad/dev\"\nmax", "\"roberta\"\nmax", &["tasks.near.evaluate", "one file"]),
        ("\"squad/train\"", "\"0\"", &["tasks.near.train", "datasets.lock", "`0`"]),
        ("kind = \"squad\"", "kind = \"triviaq\"", &["tasks.near.kind", "squad, sq3", "`triviaq`"]),
        ("val_file_path", "#", &["models.long.pretrain.val_file_path", "nothing"]),
        (
            "checkpoint = \"roberta\"",
            "initialize = { hidden_size = 7 }",
            &["models.short.initialize.hidden_size", "a multiple of num_attention_heads = 12"],
        ),
        (
            "checkpoint = \"roberta\"",
            "initialize = { max_position_embeddings = -9223372036854775808 }",
            &["models.short.initialize.max_position_embeddings", "a positive integer"],
        ),
        (
            "attention_window = 64",
            "attention_window = 63",
            &["models.long.convert.attention_window", "an even number", "63"],
        ),
        ("checkpoint = \"roberta\"", "initialize = {}", &["models.short.tokenizer", "nothing"]),
        ("max_length = 1024\n", "max_length = 1025\n", &["tasks.far.max_length", "at most 1024", "`long`"]),
        (
            "model_max_length = 1024",
            "model_max_length = 4096",
            &["models.long.pretrain.model_max_length", "at most 1024"],
        ),
        ("max_steps = 10", "max_steps = 0", &["models.long.pretrain.max_steps", "at least 1"]),
        (
            "max_steps = 10",
            "max_steps = 10, micro_batch = \"auto\"",
            &["models.long.pretrain.micro_batch", "expected fixed", "auto"],
        ),
    ] {
        assert!(FILE.contains(from), "{from}");
        let message = bench.refusal(&FILE.replacen(from, to, 1));
        for part in parts {
            assert!(message.contains(part), "{to}: {message:?} lacks {part:?}");
        }
    }
}
