//! Bits per character before and after pretraining.
//!
//! The number is loss / ln 2 per token, as the Longformer paper names it, so it depends on text and
//! tokenizer: each text has columns of its own, and numbers of different columns do not compare.

use super::table::{Column, Kind, Table, Value};
use crate::report::published::{BITS_PER_CHARACTER, Published};
use crate::report::runs::PretrainingRun;

/// First and last evaluation of each pretraining, and the published numbers on the same texts: on the
/// last evaluation of the same model with the same block length, else on rows of their own.
pub(super) fn table(pretrainings: &[PretrainingRun], published: &[Published]) -> Table {
    let mut corpora: Vec<&str> = Vec::new();
    for pretraining in pretrainings {
        if !corpora.contains(&pretraining.corpus.as_str()) {
            corpora.push(&pretraining.corpus);
        }
    }
    let note = "Loss / ln 2 per token, as the Longformer paper names it: it depends on text and tokenizer, so \
                columns do not compare, nor do models with different tokenizers.";
    let mut table = Table::new("bpc", "Bits per character before and after pretraining", columns(&corpora))
        .with_note(note);
    let mut theirs: Vec<&Published> = published
        .iter()
        .filter(|number| number.metric == BITS_PER_CHARACTER && corpora.contains(&number.task.as_str()))
        .collect();
    for pretraining in pretrainings {
        let ours = pretraining.evaluations.as_slice();
        let ends: Vec<_> = match ours {
            [] => vec![None],
            [only] => vec![Some(only)],
            [first, .., last] => vec![Some(first), Some(last)],
        };
        let count = ends.len();
        for (at, evaluation) in ends.into_iter().enumerate() {
            let same = |number: &&Published| {
                number.model == pretraining.published_model
                    && number.task == pretraining.corpus
                    && number.max_length() == Some(pretraining.max_length)
            };
            let beside = (at + 1 == count).then(|| theirs.iter().position(same)).flatten();
            table.rows.push(row(
                &corpora,
                Some((pretraining, evaluation.map(|end| (end.step, end.bits_per_character)))),
                beside.map(|at| theirs.remove(at)),
            ));
        }
    }
    table.rows.extend(theirs.into_iter().map(|number| row(&corpora, None, Some(number))));
    table
}

fn columns(corpora: &[&str]) -> Vec<Column> {
    let mut columns = vec![Column::text("model"), Column::text("protocol"), Column::count("step")];
    let bits = |name: &str, heading: &str, kind| {
        let of = |corpus: &&str| {
            Column::new(format!("{name} on {corpus}"), format!("{heading} on {corpus}"), kind)
        };
        corpora.iter().map(of).collect::<Vec<_>>()
    };
    columns.extend(bits(BITS_PER_CHARACTER, "BPC", Kind::Number(3)));
    columns.push(Column::text("pretrain"));
    columns.push(Column::new("published_source", "source", Kind::Text));
    columns.push(Column::new("published_protocol", "their protocol", Kind::Text));
    columns.extend(bits("published_bits_per_character", "published BPC", Kind::Number(3)));
    columns
}

fn row(
    corpora: &[&str],
    ours: Option<(&PretrainingRun, Option<(u64, f64)>)>,
    theirs: Option<&Published>,
) -> Vec<Value> {
    let model = ours.map(|(run, _)| &run.model).or(theirs.map(|number| &number.model));
    let measured = ours.and_then(|(_, measured)| measured);
    let on = |corpus: Option<&String>, value: Option<f64>| {
        let here = move |name: &&str| corpus.is_some_and(|corpus| corpus == name);
        corpora.iter().map(move |name| Value::from(value.filter(|_| here(name)))).collect::<Vec<_>>()
    };
    let mut values = vec![Value::text(model.cloned().unwrap_or_default())];
    values.push(ours.map_or(Value::Empty, |(run, _)| Value::text(format!("blocks of {}", run.max_length))));
    values.push(measured.map_or(Value::Empty, |(step, _)| Value::Count(step)));
    values.extend(on(ours.map(|(run, _)| &run.corpus), measured.map(|(_, bits)| bits)));
    values.push(ours.map_or(Value::Empty, |(run, _)| Value::text(run.key.to_string())));
    values.push(theirs.map_or(Value::Empty, |number| Value::text(&number.source)));
    values.push(theirs.map_or(Value::Empty, |number| Value::text(number.protocol())));
    values.extend(on(theirs.map(|number| &number.task), theirs.map(|number| number.value)));
    values
}
