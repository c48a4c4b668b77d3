//! Numbers that others published, from `results/published.csv`, each with its source and how it was
//! obtained. The file's metrics `em` and `bpc` are ours under their long names.

use serde::Deserialize;

use super::ReportError;

/// The file that the program was built with.
const BUILT_IN: &str = include_str!("../../results/published.csv");

/// The name of bits per character among metrics.
pub const BITS_PER_CHARACTER: &str = "bits_per_character";

/// One published number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Published {
    /// Who published it; `results/published.md` says where.
    pub source: String,
    /// The model.
    pub model: String,
    /// The data set.
    pub task: String,
    /// Which part of it.
    pub split: String,
    /// Window length, or length and stride.
    pub setting: String,
    /// The language, `avg` for a mean over languages.
    pub language: String,
    /// What was measured.
    pub metric: String,
    /// The number, in percent or bits.
    pub value: f64,
    /// Its standard deviation over seeds.
    pub sd: Option<f64>,
    /// The number of seeds.
    pub seeds: Option<usize>,
}

impl Published {
    /// How the number was obtained, `dev 384/128`.
    pub fn protocol(&self) -> String {
        format!("{} {}", self.split, self.setting)
    }

    /// Tokens of a window or block: the number at the front of the setting.
    pub fn max_length(&self) -> Option<usize> {
        self.setting.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

/// The published numbers of `sources` in that order, or all of them in the file's order.
pub fn numbers(sources: &[String]) -> Result<Vec<Published>, ReportError> {
    let all = read(BUILT_IN)?;
    if sources.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for source in sources {
        let before = chosen.len();
        chosen.extend(all.iter().filter(|number| number.source == *source).cloned());
        if chosen.len() == before {
            let mut known: Vec<_> = all.iter().map(|number| number.source.as_str()).collect();
            known.dedup();
            known.sort_unstable();
            known.dedup();
            return Err(ReportError::UnknownSource { found: source.clone(), known: known.join(", ") });
        }
    }
    Ok(chosen)
}

fn read(text: &str) -> Result<Vec<Published>, ReportError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader
        .deserialize::<Published>()
        .map(|row| row.map(|row| Published { metric: long_name(&row.metric).to_owned(), ..row }));
    rows.collect::<Result<_, _>>().map_err(ReportError::Published)
}

fn long_name(metric: &str) -> &str {
    match metric {
        "em" => "exact_match",
        "bpc" => BITS_PER_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_numbers_are_read_by_value() {
        let all = numbers(&[]).unwrap();
        let first = &all[0];
        assert_eq!((first.source.as_str(), first.model.as_str()), ("sagen-2021", "roberta-base"));
        assert_eq!((first.task.as_str(), first.metric.as_str()), ("squad", "exact_match"));
        assert_eq!((first.value, first.sd, first.seeds), (84.3, Some(0.2), Some(5)));
        assert_eq!(first.protocol(), "dev 512");
        let bits: Vec<_> = all.iter().filter(|row| row.metric == "bits_per_character").collect();
        assert_eq!((bits[0].value, bits[0].sd, bits[0].seeds), (1.725, None, Some(1)));
        let metrics = ["exact_match", "f1", "bits_per_character", "accuracy"];
        assert!(all.iter().all(|row| metrics.contains(&row.metric.as_str())));
    }

    #[test]
    fn sources_are_chosen_in_the_order_asked_and_unknown_ones_refused() {
        let chosen = numbers(&["model-card".into(), "sagen-2021".into()]).unwrap();
        assert_eq!(chosen[0].source, "model-card");
        assert_eq!(chosen.last().unwrap().source, "sagen-2021");
        let error = numbers(&["sagen".into()]).unwrap_err().to_string();
        assert!(error.contains("sagen-2021") && error.contains("`sagen`"), "{error}");
    }

    #[test]
    fn a_row_that_is_no_number_is_an_error_with_its_line() {
        let error =
            read("source,model,task,split,setting,language,metric,value,sd,seeds\na,b,c,d,e,f,em,x,,\n");
        assert!(error.unwrap_err().to_string().contains("line: 2"));
    }
}
