//! TriviaQA (Joshi et al. 2017): questions with documents that may answer them, and the names that
//! an answer may go by. `qa/*.json` holds questions, `evidence/wikipedia/` and `evidence/web/` beside
//! it the documents.

/// Where the documents of a file come from; it decides what its predictions are filed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Wikipedia pages; one prediction for each question.
    Wikipedia,
    /// Wikipedia pages and pages of the web; one prediction for each question and document.
    Web,
}

/// The content of one `qa/*.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaQa {
    /// The key `Domain`.
    pub domain: Domain,
    /// In file order.
    pub questions: Vec<TriviaQuestion>,
}

/// One question and where to look for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaQuestion {
    /// `QuestionId`.
    pub id: String,
    /// `Question`.
    pub text: String,
    /// `Answer`; none in the test files.
    pub answer: Option<TriviaAnswer>,
    /// `EntityPages`, then `SearchResults`.
    pub documents: Vec<Evidence>,
}

/// What counts as a right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriviaAnswer {
    /// `NormalizedAliases`.
    pub normalized_aliases: Vec<String>,
    /// `HumanAnswers`, where the file has them.
    pub human_answers: Vec<String>,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// `Filename`, a path below `evidence/wikipedia/` or `evidence/web/`.
    pub file_name: String,
    /// Which of the two.
    pub source: Domain,
}
