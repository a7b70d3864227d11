//! Files that hold secrets.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, parser::ValueSource};

use crate::config::file::FileSetting;

/// The flags, by their names in clap.
const URL: &str = "database_url";
const URL_FILE: &str = "database_url_file";

/// The longest secret that is read from a file, in bytes.
const MAX_BYTES: u64 = 16_384;
/// The bit of a file's mode that lets everybody read it.
const OTHERS_READ: u32 = 0o004;

/// The file of `--database-url-file`; `None` where it is not given, or a URL is that wins over it.
///
/// # Errors
/// A file of settings has both.
pub(crate) fn url_file(matches: &ArgMatches) -> Result<Option<PathBuf>, String> {
    // Some commands open no database.
    let Ok(Some(file)) = matches.try_get_one::<PathBuf>(URL_FILE) else {
        return Ok(None);
    };
    // To clap, a file's settings are defaults.
    let is_setting = |flag| {
        let source = matches.value_source(flag);
        source.map(|source| source == ValueSource::DefaultValue)
    };
    match (is_setting(URL), is_setting(URL_FILE)) {
        (Some(true), Some(true)) => {
            Err("the file of --config has database-url and database-url-file: give one".to_owned())
        }
        (Some(false), _) => Ok(None),
        _ => Ok(Some(file.clone())),
    }
}

/// Reads the URL in the file of `--database-url-file`, as a setting.
///
/// # Errors
/// It cannot be read, or does not hold one line.
pub(crate) fn read_url(file: &Path) -> Result<FileSetting, String> {
    let url = read_secret("--database-url-file", "URL", file)?;
    Ok(FileSetting::new("database-url", &url))
}

/// Reads the one line of a flag's file, a `noun` such as "token".
///
/// # Errors
/// It cannot be read, or does not hold one line.
pub(crate) fn read_secret(flag: &str, noun: &str, file: &Path) -> Result<String, String> {
    let cannot = |why: String| format!("{flag} {}: {why}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|e| cannot(e.to_string()))?;
    let read = opened.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|e| cannot(e.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(cannot(format!("it has more than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8".to_owned()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(cannot(format!("it is empty: it must hold a {noun}")));
    }
    if line.contains('\n') {
        return Err(cannot(format!(
            "it has several lines: it must hold one {noun}"
        )));
    }
    Ok(line.to_owned())
}

/// Warns of a file with a secret that everybody on this machine may read.
pub(crate) fn warn_if_exposed(file: &Path) {
    let Ok(found) = fs::metadata(file) else {
        return;
    };
    let mode = found.permissions().mode() & 0o7777;
    if found.is_file() && mode & OTHERS_READ != 0 {
        tracing::warn!(
            file = %file.display(),
            mode = format!("{mode:04o}"),
            "others may read this file, which holds a secret: chmod o-rwx"
        );
    }
}
