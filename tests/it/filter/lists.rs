//! The filters of each list: every operator of every field with every operand, and combinations of
//! them.

use serde_json::{Value, json};

use super::{
    reference::RESULTS,
    seed::{Dice, TAGS, TEXTS, TIMES, long},
};

/// A list and what its filter can test: its name, input type and id, and each field with its kind.
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) input: &'static str,
    pub(super) id: &'static str,
    pub(super) fields: &'static [(&'static str, Kind)],
    pub(super) flags: &'static [&'static str],
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Int,
    Text,
    Tags,
    Time,
    Results,
}

pub(super) const LISTS: [List; 3] = [
    List {
        name: "builders",
        input: "BuilderFilter",
        id: "builderid",
        fields: &[
            ("builderid", Kind::Int),
            ("name", Kind::Text),
            ("tags", Kind::Tags),
        ],
        flags: &[],
    },
    List {
        name: "builds",
        input: "BuildFilter",
        id: "buildid",
        fields: &[
            ("buildid", Kind::Int),
            ("builderid", Kind::Int),
            ("number", Kind::Int),
            ("workerid", Kind::Int),
            ("stateString", Kind::Text),
            ("startedAt", Kind::Time),
            ("completeAt", Kind::Time),
            ("results", Kind::Results),
        ],
        flags: &["complete"],
    },
    List {
        name: "steps",
        input: "StepFilter",
        id: "stepid",
        fields: &[
            ("stepid", Kind::Int),
            ("buildid", Kind::Int),
            ("builderid", Kind::Int),
            ("builderName", Kind::Text),
            ("number", Kind::Int),
            ("name", Kind::Text),
            ("stateString", Kind::Text),
            ("startedAt", Kind::Time),
            ("locksAcquiredAt", Kind::Time),
            ("completeAt", Kind::Time),
            ("results", Kind::Results),
        ],
        flags: &["complete", "hidden"],
    },
];

impl Kind {
    pub(super) fn operators(self) -> &'static [&'static str] {
        match self {
            Self::Int => &["eq", "ne", "lt", "le", "gt", "ge", "in", "notIn", "isNull"],
            Self::Text => &[
                "eq",
                "ne",
                "contains",
                "containsIgnoreCase",
                "startsWith",
                "in",
                "notIn",
            ],
            Self::Tags => &["contains"],
            Self::Time => &["eq", "lt", "le", "gt", "ge", "isNull"],
            Self::Results => &["eq", "ne", "in", "notIn", "isNull"],
        }
    }

    /// Every value that a field of this kind is compared with.
    fn values(self) -> Vec<Value> {
        match self {
            Self::Int => [-1, 0, 1, 2, 3, 17, 62, i32::MAX].map(Value::from).to_vec(),
            Self::Text => [
                &TEXTS[..],
                &["_", "b", "%b", "B", "本", "none such", "\0", "a\0", "a\0b"],
                &["IT'S", "XA", "_B", "\u{10ffff}", "é\u{10ffff}"],
                &[&long(), &format!("{}x", long())],
            ]
            .concat()
            .into_iter()
            .map(Value::from)
            .collect(),
            Self::Tags => [&TAGS[..], &["", "%"]]
                .concat()
                .into_iter()
                .map(Value::from)
                .collect(),
            Self::Time => TIMES
                .iter()
                .flat_map(|(seconds, texts)| [json!(seconds), json!(texts[0]), json!(texts[1])])
                .collect(),
            Self::Results => RESULTS.map(Value::from).to_vec(),
        }
    }

    /// Every operand that an operator is tried with.
    fn operands(self, operator: &str) -> Vec<Value> {
        let values = self.values();
        match operator {
            "isNull" => vec![json!(true), json!(false)],
            "in" | "notIn" => {
                let some: Vec<&Value> = values.iter().step_by(2).collect();
                vec![
                    json!([]),
                    json!([values[1]]),
                    json!(some),
                    json!(values),
                    Value::Null,
                ]
            }
            "containsIgnoreCase" => {
                let fits = |text: &Value| text.as_str().unwrap().chars().count() <= 1_000;
                let fitting = values.into_iter().filter(fits);
                fitting.chain([Value::Null]).collect()
            }
            _ => values.into_iter().chain([Value::Null]).collect(),
        }
    }
}

impl List {
    /// Every operator of every field, with every operand.
    pub(super) fn simple(&self) -> Vec<Value> {
        let tests = self.fields.iter().flat_map(|(field, kind)| {
            kind.operators().iter().flat_map(move |operator| {
                let operands = kind.operands(operator).into_iter();
                operands.map(move |operand| json!({ *field: { *operator: operand } }))
            })
        });
        let flags = self
            .flags
            .iter()
            .flat_map(|flag| [true, false].map(|given| json!({ *flag: given })));
        let empty = [
            json!({}),
            json!({ "and": [] }),
            json!({ "or": [] }),
            json!({ "or": [{}] }),
            json!({ "not": { "or": [] } }),
            json!({ "and": [{ "or": [] }, {}] }),
        ];
        tests.chain(flags).chain(empty).collect()
    }

    /// A filter of several conditions, nested up to `depth` deep.
    pub(super) fn combined(&self, dice: &mut Dice, depth: usize) -> Value {
        let mut filter = json!({});
        for _ in 0..=dice.roll(2) {
            let (field, kind) = dice.pick(self.fields);
            for _ in 0..=dice.roll(2) {
                let operator = dice.pick(kind.operators());
                filter[field][operator] = dice.pick(&kind.operands(operator));
            }
        }
        if dice.roll(3) == 0 && !self.flags.is_empty() {
            filter[dice.pick(self.flags)] = (dice.roll(2) == 0).into();
        }
        if depth > 0 {
            for key in ["and", "or"] {
                if dice.roll(2) == 0 {
                    let inner = (0..dice.roll(4)).map(|_| self.combined(dice, depth - 1));
                    filter[key] = inner.collect();
                }
            }
            if dice.roll(2) == 0 {
                filter["not"] = self.combined(dice, depth - 1);
            }
        }
        // Conjunctions of random tests match almost nothing; a disjunction matches more.
        if dice.roll(2) == 0 {
            filter = json!({ "or": [filter, self.combined(dice, 0)] });
        }
        filter
    }
}
