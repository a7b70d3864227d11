//! What a misspelt name was meant to be.

use strsim::osa_distance;

/// The most names that are suggested.
const MOST: usize = 5;
/// A longer name, in bytes, is no slip; comparing takes time with its length.
const LONGEST: usize = 100;

/// A sentence with the known names that are like this one, the most alike first; empty if none is.
pub(crate) fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    if name.len() > LONGEST {
        return String::new();
    }
    let lower = name.to_lowercase();
    let mut alike: Vec<(usize, &str)> = known
        .map(|other| (osa_distance(&lower, &other.to_lowercase()), other))
        // Two of five letters may differ.
        .filter(|(distance, _)| *distance <= name.chars().count() * 2 / 5 + 1)
        .collect();
    alike.sort_unstable();
    let quoted = alike
        .iter()
        .take(MOST)
        .map(|(_, name)| format!("\"{name}\""));
    let quoted: Vec<String> = quoted.collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => format!(" Did you mean {only}?"),
        [rest @ .., last] => format!(" Did you mean {} or {last}?", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_alike_are_suggested_in_order() {
        let known = || ["number", "name", "buildid", "names"].into_iter();
        for (name, sentence) in [
            ("nmae", " Did you mean \"name\" or \"names\"?"),
            ("NUMBER", " Did you mean \"number\", \"name\" or \"names\"?"),
            ("buildId", " Did you mean \"buildid\"?"),
            ("zzzzzz", ""),
            (&"number".repeat(20), ""),
        ] {
            assert_eq!(did_you_mean(name, known()), sentence);
        }
    }
}
