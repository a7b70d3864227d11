//! Texts in which upper and lower case are alike, by Unicode's simple case folding.

use std::collections::{BTreeSet, HashMap, HashSet};

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use crate::domain::invalid_argument::InvalidArgument;

/// How many characters a text has at most that is searched for in any case.
const MAX_CHARACTERS: usize = 1_000;
/// How many different letters it has at most: the database replaces the forms of each.
const MAX_LETTERS: usize = 100;

/// A text with one form for each letter, whatever case it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoldedText {
    pub(crate) text: String,
    /// Every other form of its letters, and the form in the text: `A` and `a`.
    pub(crate) replaced: BTreeSet<(char, char)>,
}

impl FoldedText {
    pub(crate) fn new(text: &str) -> Self {
        let mut known = HashMap::new();
        let mut replaced = BTreeSet::new();
        let mut fold = |c: char| {
            let forms = forms_of(c);
            let form = representative(&forms, c);
            let others = forms.into_iter().filter(|other| *other != form);
            replaced.extend(others.map(|other| (other, form)));
            form
        };
        // Each character is looked up once.
        let folded = text
            .chars()
            .map(|c| *known.entry(c).or_insert_with(|| fold(c)));
        Self {
            text: folded.collect(),
            replaced,
        }
    }

    /// How many different letters it has.
    pub(crate) fn letters(&self) -> usize {
        let letters: HashSet<char> = self.replaced.iter().map(|(_, form)| *form).collect();
        letters.len()
    }
}

/// The characters that differ from this one in case alone, itself among them.
fn forms_of(c: char) -> Vec<char> {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    // Fails only without the table, which is a feature of the library.
    let folded = class.try_case_fold_simple();
    debug_assert!(folded.is_ok(), "the table of case folding");
    let ranges = class.ranges().iter();
    ranges
        .flat_map(|range| range.start()..=range.end())
        .collect()
}

/// The form that stands for all. In ASCII it is the lower case, as SQLite's `lower` makes it.
fn representative(forms: &[char], c: char) -> char {
    let ascii = forms.iter().find(|form| form.is_ascii_lowercase());
    ascii.or(forms.first()).copied().unwrap_or(c)
}

/// Checks a text that is searched for in any case. Its argument is `where`.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn check_folded(text: &str) -> Result<(), InvalidArgument> {
    let refuse = |max: usize, what: &str, got: usize| {
        let rule = format!("containsIgnoreCase takes at most {max} {what}, got {got}");
        Err(InvalidArgument::new("where", rule))
    };
    let characters = text.chars().count();
    if characters > MAX_CHARACTERS {
        return refuse(MAX_CHARACTERS, "characters", characters);
    }
    let letters = FoldedText::new(text).letters();
    if letters > MAX_LETTERS {
        return refuse(MAX_LETTERS, "different letters", letters);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> String {
        FoldedText::new(text).text
    }

    #[test]
    fn letters_that_differ_in_case_alone_are_one() {
        for alike in [
            "aA",
            "kK\u{212a}",
            "sSſ",
            "ßẞ",
            "éÉ",
            "σςΣ",
            "µμΜ",
            "åÅ\u{212b}",
            "ǆǅǄ",
            "дДᲁ",
            "ꭰᎠ",
            "𐐨𐐀",
        ] {
            let folded: BTreeSet<String> = alike.chars().map(|c| fold(&c.to_string())).collect();
            assert_eq!(folded.len(), 1, "{alike}");
        }
        for apart in [
            "aá",
            "iİ",
            "iı",
            "ﬁf",
            "ßs",
            "日本",
            "%_",
            "\u{fffd}\u{ffff}",
        ] {
            let folded: BTreeSet<String> = apart.chars().map(|c| fold(&c.to_string())).collect();
            assert_eq!(folded.len(), 2, "{apart}");
        }
    }

    #[test]
    fn only_the_forms_of_its_letters_are_replaced() {
        let folded = FoldedText::new("Kb%k");
        assert_eq!(folded.text, "kb%k");
        let replaced = [('B', 'b'), ('K', 'k'), ('\u{212a}', 'k')];
        assert_eq!(folded.replaced, BTreeSet::from(replaced));
        assert!(FoldedText::new("日本 1_%\0").replaced.is_empty());
    }

    #[test]
    fn long_texts_are_refused() {
        let letters = |n: u32| -> String { ('А'..).take(n as usize).collect() };
        assert_eq!(check_folded(&"é".repeat(1_000)), Ok(()));
        assert_eq!(check_folded(""), Ok(()));
        for (text, rule) in [
            ("é".repeat(1_001), "at most 1000 characters, got 1001"),
            (letters(400), "at most 100 different letters, got"),
        ] {
            let refused = check_folded(&text).expect_err(rule);
            assert_eq!(refused.argument, "where");
            assert!(refused.reason.contains(rule), "{}", refused.reason);
        }
    }
}
