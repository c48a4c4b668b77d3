//! The n-best search against its plain definition: every pair of every window, sorted, told apart by
//! text.

use longqa::corpus::{QaDataset, Question};
use longqa::qa::{DecodeSettings, Decoder, NbestAnswer, QaError};
use longqa::text::windows::Window;
use longqa::text::{CharSpan, TokenId};
use proptest::prelude::*;

/// A context of one-word tokens, cut into windows.
#[derive(Debug, Clone)]
struct Case {
    words: Vec<&'static str>,
    size: usize,
    stride: usize,
    settings: DecodeSettings,
    /// Few different values, so that ties are common; taken in turn.
    logits: Vec<f32>,
}

const SPECIAL: usize = 3;

impl Case {
    fn dataset(&self) -> QaDataset {
        let question = Question { id: "q".to_owned(), text: "x".to_owned(), context: 0, answers: Vec::new() };
        QaDataset { contexts: vec![self.words.join(" ")], questions: vec![question] }
    }

    fn offsets(&self) -> Vec<CharSpan> {
        let mut start = 0;
        let mut offset = |word: &&str| {
            let span = CharSpan { start, end: start + word.chars().count() };
            start = span.end + 1;
            span
        };
        self.words.iter().map(&mut offset).collect()
    }

    fn windows(&self) -> Vec<Window> {
        let offsets = self.offsets();
        let mut ranges = Vec::new();
        let mut start = 0;
        loop {
            let end = (start + self.size).min(offsets.len());
            ranges.push(start..end);
            if end == offsets.len() {
                break;
            }
            start += self.stride;
        }
        // As in run_squad.py: the smaller of the two sides' contexts, plus a little for the length.
        let context = |range: &std::ops::Range<usize>, token: usize| {
            let sides = (token - range.start).min(range.end - 1 - token) as f64;
            sides + 0.01 * range.len() as f64
        };
        let owner = |token: usize| {
            let holders = (0..ranges.len()).filter(|window| ranges[*window].contains(&token));
            holders.fold(None, |best: Option<usize>, window| match best {
                Some(best) if context(&ranges[best], token) >= context(&ranges[window], token) => Some(best),
                _ => Some(window),
            })
        };
        let window = |(number, range): (usize, &std::ops::Range<usize>)| Window {
            question: 0,
            input_ids: vec![TokenId(7); SPECIAL + range.len() + 1],
            context_position: SPECIAL,
            first_context_token: range.start,
            context_offsets: offsets[range.clone()].to_vec(),
            has_most_context: range.clone().map(|token| owner(token) == Some(number)).collect(),
            question_end: 1,
            answer: None,
        };
        ranges.iter().enumerate().map(window).collect()
    }

    /// Start and end logits of window `number`.
    fn logits(&self, number: usize, window: &Window) -> (Vec<f32>, Vec<f32>) {
        let length = window.input_ids.len();
        let at = |place: usize| self.logits[(place * 7 + number * 31) % self.logits.len()];
        ((0..length).map(at).collect(), (0..length).map(|place| at(place * 3 + 1)).collect())
    }

    fn decoded(&self, order: impl Fn(&mut Vec<(usize, Window)>)) -> Vec<NbestAnswer> {
        let dataset = self.dataset();
        let mut decoder = Decoder::new(&dataset, self.settings).unwrap();
        let mut windows: Vec<_> = self.windows().into_iter().enumerate().collect();
        order(&mut windows);
        for (number, window) in &windows {
            let (start, end) = self.logits(*number, window);
            decoder.add(window, &start, &end).unwrap();
        }
        decoder.finish().questions.remove(0).1
    }

    fn by_definition(&self) -> Vec<NbestAnswer> {
        let context = self.dataset().contexts.remove(0);
        let mut all = Vec::new();
        for (number, window) in self.windows().iter().enumerate() {
            let (start, end) = self.logits(number, window);
            let tokens = SPECIAL..SPECIAL + window.context_offsets.len();
            let ranked = |logits: &[f32], keep: &dyn Fn(usize) -> bool| {
                let mut order: Vec<usize> = tokens.clone().filter(|token| keep(*token)).collect();
                order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
                order.truncate(self.settings.n_best);
                order
            };
            for s in ranked(&start, &|token| window.has_most_context[token - SPECIAL]) {
                for e in ranked(&end, &|_| true) {
                    if s <= e && e - s < self.settings.max_answer_length {
                        let (from, to) = (
                            window.context_offsets[s - SPECIAL].start,
                            window.context_offsets[e - SPECIAL].end,
                        );
                        let text: String = context.chars().skip(from).take(to - from).collect();
                        all.push((f64::from(start[s]), f64::from(end[e]), from, to, text));
                    }
                }
            }
        }
        all.sort_by(|a, b| (b.0 + b.1).total_cmp(&(a.0 + a.1)).then((a.2, a.3).cmp(&(b.2, b.3))));
        let mut best: Vec<NbestAnswer> = Vec::new();
        for (start_logit, end_logit, _, _, text) in all {
            if best.len() < self.settings.n_best && best.iter().all(|answer| answer.text != text) {
                best.push(NbestAnswer { text, probability: 0.0, start_logit, end_logit });
            }
        }
        if best.is_empty() {
            best.push(NbestAnswer {
                text: String::new(),
                probability: 1.0,
                start_logit: 0.0,
                end_logit: 0.0,
            });
        }
        let score = |answer: &NbestAnswer| (answer.start_logit + answer.end_logit).exp();
        let total: f64 = best.iter().map(score).sum();
        best.iter_mut().for_each(|answer| answer.probability = score(answer) / total);
        best
    }
}

fn case() -> impl Strategy<Value = Case> {
    let word = prop::sample::select(vec!["Mira", "in", "Осло", "東京", "मीरा", "a\u{301}", "e"]);
    let value = (-6i8..6).prop_map(|value| f32::from(value) / 2.0);
    let settings = (1usize..6, 1usize..5)
        .prop_map(|(n_best, max_answer_length)| DecodeSettings { n_best, max_answer_length });
    (prop::collection::vec(word, 1..40), 1usize..12, settings, prop::collection::vec(value, 5..60))
        .prop_flat_map(|(words, size, settings, logits)| {
            (1..=size).prop_map(move |stride| Case {
                words: words.clone(),
                size,
                stride,
                settings,
                logits: logits.clone(),
            })
        })
}

proptest! {
    #[test]
    fn the_search_finds_what_trying_every_pair_finds(case in case()) {
        let (found, expected) = (case.decoded(|_| ()), case.by_definition());
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert_eq!(&found.text, &expected.text);
            prop_assert_eq!(found.start_logit, expected.start_logit);
            prop_assert_eq!(found.end_logit, expected.end_logit);
            prop_assert!((found.probability - expected.probability).abs() < 1e-12);
        }
    }

    #[test]
    fn the_order_of_windows_does_not_matter(case in case()) {
        prop_assert_eq!(case.decoded(|_| ()), case.decoded(|windows| windows.reverse()));
    }
}

fn small() -> Case {
    Case {
        words: vec!["one", "two", "three"],
        size: 3,
        stride: 1,
        settings: DecodeSettings::default(),
        logits: vec![0.0, 1.0, 2.0, 3.0, 4.0],
    }
}

#[test]
fn a_logit_that_is_no_number_is_an_error_that_says_where() {
    let (case, dataset) = (small(), small().dataset());
    let window = &case.windows()[0];
    let (start, end) = case.logits(0, window);
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bad = end.clone();
        bad[SPECIAL + 1] = wrong;
        let error = Decoder::new(&dataset, case.settings).unwrap().add(window, &start, &bad).unwrap_err();
        assert!(
            matches!(error, QaError::NotFinite { part: "end", position, .. } if position == SPECIAL + 1),
            "{error}"
        );
    }
}

#[test]
fn parts_that_do_not_fit_are_typed_errors() {
    let (case, dataset) = (small(), small().dataset());
    let window = case.windows().remove(0);
    let (start, end) = case.logits(0, &window);
    let add = |window: &Window, start: &[f32], end: &[f32]| {
        Decoder::new(&dataset, case.settings).unwrap().add(window, start, end).unwrap_err()
    };
    assert!(matches!(add(&window, &start[1..], &end), QaError::Length { part: "start logits", .. }));
    assert!(matches!(add(&window, &start, &[]), QaError::Length { part: "end logits", .. }));
    let foreign = Window { question: 1, ..window.clone() };
    assert!(matches!(add(&foreign, &start, &end), QaError::ForeignWindow { expected: 1, found: 1 }));
    let mut outside = window.clone();
    outside.context_offsets[2].end = 99;
    assert!(matches!(add(&outside, &start, &end), QaError::Offsets { end: 99, length: 13, .. }));
    let far = Window { context_position: 5, ..window.clone() };
    assert!(matches!(add(&far, &start, &end), QaError::Length { part: "input_ids", .. }));
    let none = DecodeSettings { n_best: 0, ..case.settings };
    assert!(matches!(Decoder::new(&dataset, none), Err(QaError::Setting { key: "n_best", .. })));
}

#[test]
fn a_question_without_windows_gets_one_empty_answer() {
    let dataset = small().dataset();
    let decoded = Decoder::new(&dataset, DecodeSettings::default()).unwrap().finish();
    assert_eq!(decoded.questions[0].1.len(), 1);
    assert_eq!(decoded.best().get("q"), Some(""));
}
