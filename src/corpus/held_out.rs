//! A text in two parts: one to train on, and one held out to measure on.
//!
//! The parts are whole articles of WikiText, so that no article is in both. The choice is a function of
//! the articles' lengths alone: in the order of their lengths, one is held out each time the share of
//! those so far reaches another half, so for a share of a tenth the 5th, the 15th, the 25th. So the
//! articles held out are as long as the rest, and their characters are within one article of the share.
//! Both parts keep the order of the files.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::CorpusError;
use super::wikitext;
use crate::durable::{self, WriteError};

/// How much there is of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Size {
    pub articles: usize,
    pub characters: usize,
    pub bytes: usize,
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// What is trained on.
    pub train: Size,
    /// What is not.
    pub held_out: Size,
}

/// Writes the articles of `texts`, in order, to the files `train` and `held_out`, about `share` of their
/// characters to the second. Texts are held in memory.
///
/// # Errors
/// What is wrong with a file; [`CorpusError::NoArticles`], [`CorpusError::SameArticle`],
/// [`CorpusError::OneSided`], [`CorpusError::Write`].
pub fn write(texts: &[&Path], share: f64, train: &Path, held_out: &Path) -> Result<Counts, CorpusError> {
    let contents = texts.iter().map(|path| wikitext::read(path)).collect::<Result<Vec<_>, _>>()?;
    let mut articles = Vec::new();
    let mut places = HashMap::new();
    for (path, content) in texts.iter().zip(&contents) {
        let found = wikitext::articles(content);
        if found.is_empty() {
            return Err(CorpusError::NoArticles { path: path.to_path_buf() });
        }
        for article in &found {
            if let Some(first) = places.insert(article.trim(), *path) {
                return Err(CorpusError::SameArticle {
                    path: path.to_path_buf(),
                    other: first.to_owned(),
                    heading: article.trim().lines().next().unwrap_or_default().trim().to_owned(),
                });
            }
        }
        articles.extend(found);
    }
    let [kept, out] = parts(&articles, share);
    if kept.is_empty() || out.is_empty() {
        let texts = texts.iter().map(PathBuf::from).collect();
        return Err(CorpusError::OneSided { texts, share, articles: articles.len(), held_out: out.len() });
    }
    Ok(Counts { train: write_part(train, &kept)?, held_out: write_part(held_out, &out)? })
}

/// The articles to train on and those held out.
fn parts<'a>(articles: &[&'a str], share: f64) -> [Vec<&'a str>; 2] {
    let mut by_length: Vec<usize> = (0..articles.len()).collect();
    by_length.sort_by_cached_key(|place| (articles[*place].chars().count(), *place));
    let held_out_among = |first: usize| (share * first as f64).round();
    let mut is_held_out = vec![false; articles.len()];
    for (before, place) in by_length.into_iter().enumerate() {
        is_held_out[place] = held_out_among(before + 1) > held_out_among(before);
    }
    let part = |held_out| {
        let of_part = articles.iter().zip(&is_held_out).filter(|(_, is_held_out)| **is_held_out == held_out);
        of_part.map(|(article, _)| *article).collect()
    };
    [part(false), part(true)]
}

fn write_part(path: &Path, articles: &[&str]) -> Result<Size, WriteError> {
    durable::write_with(path, |file| {
        articles.iter().try_for_each(|article| {
            file.write_all(article.as_bytes())?;
            // The last line of a file may lack its line feed; the next heading needs a line of its own.
            if article.ends_with('\n') { Ok(()) } else { file.write_all(b"\n") }
        })
    })?;
    Ok(Size {
        articles: articles.len(),
        characters: articles.iter().map(|article| article.chars().count()).sum(),
        bytes: articles.iter().map(|article| article.len()).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use tempfile::TempDir;

    struct Place(TempDir);

    impl Place {
        fn with(texts: &[&str]) -> (Self, Vec<PathBuf>) {
            let place = Self(tempfile::tempdir().unwrap());
            let files = texts.iter().enumerate().map(|(number, text)| {
                let path = place.0.path().join(format!("{number}.raw"));
                fs::write(&path, text).unwrap();
                path
            });
            let files = files.collect();
            (place, files)
        }

        fn write(&self, files: &[PathBuf], share: f64) -> Result<(Counts, [String; 2]), CorpusError> {
            let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
            let [train, held_out] = ["train.raw", "held-out.raw"].map(|name| self.0.path().join(name));
            let counts = write(&files, share, &train, &held_out)?;
            Ok((counts, [train, held_out].map(|path| fs::read_to_string(path).unwrap())))
        }
    }

    fn article(title: &str) -> String {
        format!(" = {title} = \n \n Été . \n \n")
    }

    fn text(titles: &[&str]) -> String {
        titles.iter().map(|title| article(title)).collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_articles_of_all_files_are_shared_out_in_order() {
        let (place, files) = Place::with(&[&text(&["a", "b", "c"]), text(&["d", "e"]).trim_end()]);
        let (counts, [train, held_out]) = place.write(&files, 0.4).unwrap();
        assert_eq!(train, format!("{}\n", text(&["b", "d", "e"]).trim_end()));
        assert_eq!(held_out, text(&["a", "c"]));
        assert_eq!(counts.train, Size { articles: 3, characters: 56, bytes: 62 });
        assert_eq!(counts.held_out, Size { articles: 2, characters: 40, bytes: 44 });
    }

    #[test]
    fn of_a_tenth_the_fifth_and_the_fifteenth_in_length_are_held_out() {
        let texts: Vec<String> = (1..=20).rev().map(|length| "é".repeat(length)).collect();
        let articles: Vec<&str> = texts.iter().map(String::as_str).collect();
        let [kept, out] = parts(&articles, 0.1);
        assert_eq!(out, ["é".repeat(15), "é".repeat(5)]);
        assert_eq!((kept[0], kept.len()), (&*texts[0], 18));
    }

    #[test]
    fn what_cannot_be_shared_out_is_refused() {
        for (texts, share, parts) in [
            (&[text(&["a"])][..], 0.1, &["0.raw: ", "found 1, of which 0 "][..]),
            (&[text(&["a"])], 0.9, &["found 1, of which 1 "]),
            (&[text(&["a", "b"]), "plain text\n".into()], 0.5, &["1.raw: ", "` = Title = `"]),
            (&[text(&["a", "b"]), text(&["b"])], 0.5, &["1.raw: ", "0.raw", "`= b =`"]),
        ] {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (place, files) = Place::with(&texts);
            let message = place.write(&files, share).unwrap_err().to_string();
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_article_is_in_one_part_and_the_share_is_met_to_an_article(
            lengths in prop::collection::vec(1..200_usize, 1..60),
            share in 0.01..0.99,
        ) {
            let texts: Vec<String> = lengths.iter().map(|length| "é".repeat(*length)).collect();
            let articles: Vec<&str> = texts.iter().map(String::as_str).collect();
            let [kept, out] = parts(&articles, share);
            prop_assert!((out.len() as f64 - share * lengths.len() as f64).abs() <= 0.5 + 1e-6);
            let mut both = [kept, out.clone()].concat();
            let mut all = articles.clone();
            both.sort();
            all.sort();
            prop_assert_eq!(both, all);
            let total: usize = lengths.iter().sum();
            let found: usize = out.iter().map(|article| article.chars().count()).sum();
            let longest = lengths.iter().max().copied().unwrap_or_default();
            prop_assert!((found as f64 - share * total as f64).abs() <= longest as f64 + 1e-6);
        }
    }
}
