//! What a stage is apart from the seed of fine-tuning: its family.
//!
//! Two stages of one family differ in that seed at most, so their results may be averaged. The key
//! is made like a stage's, with the seed left out, from the families of its inputs; what it stands
//! for is kept beside it, so that two families can be told apart by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::Plan;
use super::stage::{Role, Stage, Work, canonical};
use crate::digest::{Digest, Hasher};

/// What stands for a family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FamilyKey(pub Digest);

impl fmt::Display for FamilyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.short())
    }
}

impl fmt::Debug for FamilyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a family's key stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    kind: String,
    version: u32,
    settings: Value,
    inputs: Vec<FamilyInput>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FamilyInput {
    role: Role,
    file: Option<String>,
    family: FamilyKey,
}

impl Family {
    fn of(stage: &Stage, keys: &[FamilyKey]) -> Self {
        let mut settings = stage.work.settings();
        if let (Work::Finetune(_), Value::Object(values)) = (&stage.work, &mut settings) {
            values.shift_remove("seed");
        }
        let inputs = stage.inputs.iter().map(|input| FamilyInput {
            role: input.role,
            file: input.file.clone(),
            family: keys[input.stage],
        });
        Self {
            kind: stage.work.kind().to_owned(),
            version: stage.work.version(),
            settings,
            inputs: inputs.collect(),
        }
    }

    fn key(&self) -> FamilyKey {
        let mut hasher = Hasher::default();
        hasher.field(b"longqa-family-1").field(self.kind.as_bytes()).field(&self.version.to_le_bytes());
        hasher.field(canonical(&self.settings).as_bytes());
        for input in &self.inputs {
            hasher.field(input.role.name().as_bytes()).field(input.family.0.bytes());
            hasher.field(input.file.as_deref().unwrap_or_default().as_bytes());
        }
        FamilyKey(hasher.digest())
    }
}

/// Families by key, those of all their inputs among them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Families(BTreeMap<FamilyKey, Family>);

/// Questions: the file that holds them, and how it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Questions<'a> {
    file: &'a FamilyInput,
    reading: Option<&'a Value>,
}

/// The first thing in which two families differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A setting or an input, by the kind of its stage: `finetune.learning_rate`.
    pub what: String,
    /// Its value in the first.
    pub first: String,
    /// Its value in the second.
    pub second: String,
}

impl Families {
    /// The families of all stages of `plan`, and the key of each stage's, in the plan's order.
    pub fn of(plan: &Plan) -> (Self, Vec<FamilyKey>) {
        let (mut families, mut keys) = (Self::default(), Vec::with_capacity(plan.stages.len()));
        for stage in &plan.stages {
            let family = Family::of(stage, &keys);
            let key = family.key();
            keys.push(key);
            families.0.insert(key, family);
        }
        (families, keys)
    }

    /// Takes those of `other` in.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What is asked of the model behind a family of scores.
    pub fn asked(&self, score: FamilyKey) -> Option<Questions<'_>> {
        self.questions(score, Role::Evaluate)
    }

    /// What the model behind a family of scores was fine-tuned on.
    pub fn trained_on(&self, score: FamilyKey) -> Option<Questions<'_>> {
        let predict = self.input(score, Role::Predictions)?.family;
        self.questions(self.input(predict, Role::Model)?.family, Role::Train)
    }

    fn questions(&self, key: FamilyKey, role: Role) -> Option<Questions<'_>> {
        let file = self.input(key, role)?;
        Some(Questions { file, reading: self.0.get(&key)?.settings.get("questions") })
    }

    fn input(&self, key: FamilyKey, role: Role) -> Option<&FamilyInput> {
        self.0.get(&key)?.inputs.iter().find(|input| input.role == role)
    }

    /// The first difference between a family of these and one of `others`, as deep among their
    /// inputs as it is known; none if they are the same.
    pub fn difference(&self, key: FamilyKey, others: &Self, other: FamilyKey) -> Option<Difference> {
        if key == other {
            return None;
        }
        let differ = |what: String, first: String, second: String| Some(Difference { what, first, second });
        let (Some(mine), Some(theirs)) = (self.0.get(&key), others.0.get(&other)) else {
            return differ("stage".into(), key.to_string(), other.to_string());
        };
        let kind = &mine.kind;
        if mine.kind != theirs.kind {
            return differ("stage".into(), kind.clone(), theirs.kind.clone());
        }
        if mine.version != theirs.version {
            let what = format!("version of {kind}");
            return differ(what, mine.version.to_string(), theirs.version.to_string());
        }
        if let Some((name, first, second)) = first_setting(&mine.settings, &theirs.settings) {
            return differ(format!("{kind}.{name}"), first, second);
        }
        for (one, two) in mine.inputs.iter().zip(&theirs.inputs) {
            let name = |input: &FamilyInput| {
                let file = input.file.as_deref().unwrap_or_default();
                format!("{} {file}", input.role.name()).trim_end().to_owned()
            };
            if name(one) != name(two) {
                return differ(format!("input of {kind}"), name(one), name(two));
            }
            if let Some(deeper) = self.difference(one.family, others, two.family) {
                return Some(deeper);
            }
        }
        differ(
            format!("number of inputs of {kind}"),
            mine.inputs.len().to_string(),
            theirs.inputs.len().to_string(),
        )
    }
}

fn first_setting(mine: &Value, theirs: &Value) -> Option<(String, String, String)> {
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
    };
    let written = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    names(mine).union(&names(theirs)).find_map(|name| {
        let (first, second) = (mine.get(name), theirs.get(name));
        (first != second).then(|| (name.clone(), written(first), written(second)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Reading, Task};
    use crate::experiment::stage::Input;
    use crate::experiment::works::{Finetuning, Scoring};
    use crate::random::Seed;
    use crate::text::Protocol;
    use crate::train::settings::FinetuneSettings;

    fn plan(change: impl FnOnce(&mut FinetuneSettings)) -> Plan {
        let mut settings = FinetuneSettings::default();
        change(&mut settings);
        let questions = Reading::of(Task::Squad);
        let finetuning = Finetuning { settings, questions: questions.clone() };
        let finetune = Stage::new("f".into(), Work::Finetune(finetuning), Vec::new());
        let input = Input { role: Role::Model, stage: 0, key: finetune.key, file: None };
        let rules = Scoring { questions, protocol: Protocol::Standard };
        let score = Stage::new("s".into(), Work::Score(rules), vec![input]);
        Plan { stages: vec![finetune, score], cells: Vec::new(), pretrainings: Vec::new() }
    }

    #[test]
    fn the_seed_of_fine_tuning_is_all_that_a_family_leaves_out() {
        let (_, keys) = Families::of(&plan(|_| {}));
        let (_, other_seed) = Families::of(&plan(|settings| settings.optimization.seed = Seed(9)));
        assert_eq!(keys, other_seed);
        let (_, other_length) = Families::of(&plan(|settings| settings.max_length = 99));
        assert_ne!(keys[1], other_length[1], "what lies behind another stage is another family");
    }

    #[test]
    fn a_difference_is_named_however_deep_it_lies() {
        let (families, keys) = Families::of(&plan(|_| {}));
        let (others, theirs) = Families::of(&plan(|settings| settings.max_length = 99));
        let difference = families.difference(keys[1], &others, theirs[1]).unwrap();
        assert_eq!(difference.what, "finetune.max_length");
        assert_eq!(difference.second, "99");
        assert_eq!(families.difference(keys[1], &families, keys[1]), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let (families, _) = Families::of(&plan(|_| {}));
        let text = serde_json::to_string(&families).unwrap();
        assert_eq!(serde_json::from_str::<Families>(&text).unwrap(), families);
    }
}
