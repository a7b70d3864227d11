//! The file of `--config`: TOML whose keys are the names of flags.

use std::{any::TypeId, fs, ops::Range, path::Path};

use clap::{
    Arg, ArgAction, Command,
    builder::Resettable,
    error::{ContextKind, ContextValue, Error},
};
use toml::de::{DeTable, DeValue};

/// Flags that a file cannot set: they say what to do, not how.
const NO_SETTINGS: [&str; 4] = ["check", "config", "help", "version"];

/// A setting of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSetting {
    /// The flag's name, without its dashes.
    pub(crate) flag: String,
    /// Its values: one, or those of a list.
    values: Vec<String>,
}

impl FileSetting {
    /// A setting of one value.
    pub(crate) fn new(flag: &str, value: &str) -> Self {
        Self {
            flag: flag.to_owned(),
            values: vec![value.to_owned()],
        }
    }

    /// Whether it is a database URL with a password.
    pub(crate) fn has_password(&self) -> bool {
        let has = |url: &String| {
            let user = url.rsplit_once('@').map_or("", |(user, _)| user);
            user.matches(':').count() > 1 || url.contains("password=")
        };
        self.flag == "database-url" && self.values.iter().any(has)
    }
}

/// Reads a file; `serve` is the command with every flag that it may set.
///
/// # Errors
/// All that is wrong with it, a line each: with the file, the line and the key.
pub(crate) fn read_settings(path: &Path, serve: &Command) -> Result<Vec<FileSetting>, String> {
    let file = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("--config {file}: {e}"))?;
    let at = |span: Range<usize>| {
        let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
        format!("{file}, line {line}")
    };
    let table = DeTable::parse(&text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        format!(
            "{}: {}: {}",
            at(span.clone()),
            key_at(&text, span.start, serve),
            error.message()
        )
    })?;
    let mut settings = Vec::new();
    let mut wrong = Vec::new();
    for (key, value) in table.get_ref() {
        match read_setting(key.get_ref(), value.get_ref(), serve) {
            Ok(setting) => settings.push(setting),
            Err(why) => wrong.push((key.span().start, format!("{}: {why}", at(key.span())))),
        }
    }
    if wrong.is_empty() {
        return Ok(settings);
    }
    wrong.sort();
    let wrong: Vec<_> = wrong.into_iter().map(|(_, text)| text).collect();
    Err(wrong.join("\n"))
}

/// Makes settings the defaults of their flags, so that variables and flags win over them.
pub(crate) fn apply_settings(command: Command, settings: &[FileSetting]) -> Command {
    let command = command.mut_args(|arg| {
        let long = arg.get_long().map(str::to_owned);
        match settings.iter().find(|s| Some(&s.flag) == long.as_ref()) {
            Some(setting) => arg.default_values(setting.values.clone()),
            None => arg,
        }
    });
    command.mut_subcommands(|command| apply_settings(command, settings))
}

fn read_setting(key: &str, value: &DeValue<'_>, serve: &Command) -> Result<FileSetting, String> {
    let flags = || {
        let flags = serve.get_arguments();
        flags.filter(|arg| {
            arg.get_long()
                .is_some_and(|long| !NO_SETTINGS.contains(&long))
        })
    };
    let Some(arg) = flags().find(|arg| arg.get_long() == Some(key)) else {
        let near = flags()
            .filter_map(Arg::get_long)
            .map(|flag| (strsim::jaro(flag, key), flag))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let advice = near.map_or(String::new(), |(_, flag)| format!("; there is {flag}"));
        return Err(format!("{key}: `serve` has no flag of this name{advice}"));
    };
    let values = texts(value, arg).ok_or_else(|| {
        let (wanted, got) = (wanted(arg), value.type_str());
        format!("{key}: {wanted} is needed, got {got}")
    })?;
    check_values(key, &values, arg)?;
    Ok(FileSetting {
        flag: key.to_owned(),
        values,
    })
}

/// Which type of TOML a flag's values have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueType {
    Switch,
    Number,
    Text,
    List,
}

fn type_of(arg: &Arg) -> ValueType {
    let is = |id: TypeId| arg.get_value_parser().type_id() == id;
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        ValueType::Switch
    } else if arg.get_value_delimiter().is_some() {
        ValueType::List
    } else if is(TypeId::of::<u64>())
        || is(TypeId::of::<u32>())
        || is(TypeId::of::<i64>())
        || is(TypeId::of::<usize>())
    {
        ValueType::Number
    } else {
        ValueType::Text
    }
}

fn wanted(arg: &Arg) -> &'static str {
    match type_of(arg) {
        ValueType::Switch => "true or false",
        ValueType::Number => "a whole number",
        ValueType::Text => "a string",
        ValueType::List => "an array of strings",
    }
}

/// A value as the command line would have it; `None` where it is of another type than the flag's.
fn texts(value: &DeValue<'_>, arg: &Arg) -> Option<Vec<String>> {
    match (value, type_of(arg)) {
        (DeValue::Boolean(on), ValueType::Switch) => Some(vec![on.to_string()]),
        (DeValue::String(text), ValueType::Text) => Some(vec![text.to_string()]),
        (DeValue::Integer(number), ValueType::Number) => {
            // One that is out of every range is refused as it stands.
            let read = i128::from_str_radix(number.as_str(), number.radix());
            let text = read.map_or_else(|_| number.as_str().to_owned(), |n| n.to_string());
            Some(vec![text])
        }
        (DeValue::Array(items), ValueType::List) => {
            let texts = items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect()
        }
        _ => None,
    }
}

/// Has the flag read the values, so that a wrong one is refused even where it would be overruled.
fn check_values(key: &str, values: &[String], arg: &Arg) -> Result<(), String> {
    if type_of(arg) == ValueType::Switch {
        return Ok(());
    }
    let flags = values.iter().map(|value| format!("--{key}={value}"));
    // Alone: the flags that it contradicts are not there.
    let arg = arg.clone().conflicts_with(Resettable::Reset);
    let command = Command::new("file").no_binary_name(true).arg(arg);
    let read = command.try_get_matches_from(flags);
    read.map(drop).map_err(|mut error| {
        let name = ContextValue::String(key.to_owned());
        error.insert(ContextKind::InvalidArg, name);
        summary(&error)
    })
}

/// What an error of the command line says, on one line: without its usage and advice on help.
pub(crate) fn summary(error: &Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = ["\n\nUsage:", "\n\nFor more"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    let words = text[..end.unwrap_or(text.len())].split_whitespace();
    without_passwords(&words.collect::<Vec<_>>().join(" "))
}

/// A text whose URLs have neither user nor password.
pub(crate) fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find([' ', '\n', '\'', '"']).unwrap_or(part.len());
        let start = part[..end].rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        shown.push_str(&part[start..]);
    }
    shown
}

/// The flag that begins a line, or nothing: what begins another may be a part of a secret.
fn key_at<'t>(text: &'t str, position: usize, serve: &Command) -> &'t str {
    let position = position.min(text.len());
    let start = text[..position].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let key = line.split(is_end).next().unwrap_or_default();
    let mut flags = serve.get_arguments().filter_map(Arg::get_long);
    if flags.any(|flag| flag == key) {
        key
    } else {
        "this line"
    }
}
