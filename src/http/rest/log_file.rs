//! What a log is called as a file, and what stands at its beginning.

use std::fmt::Write;

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    domain::{error::Result, log::LogType},
    store::{build, builder, db::database::Db, log::Model, step, worker},
};

/// What RFC 8187 lets stand in a value.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The names that a file has of a log.
pub(crate) struct FileNames {
    file: String,
    /// What stands before the text.
    pub(crate) preamble: String,
}

/// The names of a log, its step, build, builder and worker, as far as there are any.
pub(crate) async fn file_names(db: &Db, log: &Model) -> Result<FileNames> {
    let step = step::by_ids(db, &[log.stepid]).await?.remove(&log.stepid);
    let build = match &step {
        Some(step) => build::by_ids(db, &[step.buildid])
            .await?
            .remove(&step.buildid),
        None => None,
    };
    let (mut builder, mut worker) = (None, None);
    if let Some(build) = &build {
        let id = build.builderid;
        builder = builder::by_ids(db, &[id]).await?.remove(&id);
        if let Some(id) = build.workerid {
            worker = worker::name(db, id).await?;
        }
    }
    let mut file = String::new();
    let mut preamble = String::new();
    if let Some(builder) = builder {
        file = format!("{}_", builder.name);
        preamble = format!("Builder: {}\n", builder.name);
    }
    // Writing to a text does not fail.
    if let Some(build) = build {
        let _ = write!(file, "build_{}_", build.number);
        let _ = writeln!(preamble, "Build number: {}", build.number);
    }
    if let Some(worker) = worker {
        let _ = writeln!(preamble, "Worker name: {worker}");
    }
    if let Some(step) = step {
        let _ = write!(file, "step_{}_", step.name);
    }
    let _ = write!(file, "log_{}", log.slug);
    if log.log_type() != LogType::Stdio {
        preamble.clear();
    }
    Ok(FileNames { file, preamble })
}

impl FileNames {
    /// `Content-Disposition`: as Buildbot writes it where the name is a token, and else as RFC 6266
    /// has it, since the name would end early or another parameter begin.
    pub(crate) fn disposition(&self) -> HeaderValue {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+!#$&^`|".contains(c);
        let text = if self.file.chars().all(is_token) {
            format!("attachment; filename={}", self.file)
        } else {
            let name = utf8_percent_encode(&self.file, KEPT);
            format!("attachment; filename*=UTF-8''{name}")
        };
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_where_it_ends() {
        let disposition = |file: &str| {
            let names = FileNames {
                file: file.to_owned(),
                preamble: String::new(),
            };
            let value = names.disposition();
            value.to_str().expect("ASCII").to_owned()
        };
        assert_eq!(disposition("a_build_1"), "attachment; filename=a_build_1");
        assert_eq!(
            disposition("ü; x=\"\r\n"),
            "attachment; filename*=UTF-8''%C3%BC%3B%20x%3D%22%0D%0A"
        );
    }
}
