//! Settings of what one operation may ask for and take, and which documents are served.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::config::value::{DAY, MOST, switch, whole};

/// The deepest nesting that the parser of documents accepts.
const MAX_NESTING: u64 = 64;

/// The limits of operations; what goes beyond one is refused as LIMIT_EXCEEDED, which names it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitConfig {
    /// The largest document, in bytes
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_DOCUMENT_BYTES",
        default_value_t = 100_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_document_bytes: u64,
    /// How many tokens (names, numbers, texts, signs) a document may have
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_TOKENS",
        default_value_t = 2_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_tokens: u64,
    /// How deep brackets may nest in a document, also where fragments stand for what is in them
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_NESTING",
        default_value_t = 50,
        value_parser = whole::<u64>(1..=MAX_NESTING),
        hide_short_help = true,
    )]
    pub(crate) max_nesting: u64,
    /// How deep fields may nest; introspection is bounded by other rules
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_DEPTH",
        default_value_t = 12,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_depth: u64,
    /// How many directives a document may have
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_DIRECTIVES",
        default_value_t = 50,
        value_parser = whole::<u64>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_directives: u64,
    /// How many fields and fragments an operation may have, each counted wherever a fragment brings
    /// it in
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_FIELDS",
        default_value_t = 2_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_fields: u64,
    /// How many objects an operation may return: a list counts its page size, a build's steps
    /// without a limit 20, urls 2
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_COST",
        default_value_t = 20_000,
        value_parser = whole::<u64>(1..=MOST),
    )]
    pub(crate) max_cost: u64,
    /// How many fields all these objects may have together
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_VALUES",
        default_value_t = 500_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_values: u64,
    /// How many bytes the texts of an answer may have together, or those of an event; one of up to
    /// 64 bytes counts as a field alone. The answer as it is sent may have twice as many
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_TEXT_BYTES",
        default_value_t = 16_777_216,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_text_bytes: u64,
    /// How many values (objects, lists and what is in them) the JSON of a request or of a socket's
    /// message may have
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_JSON_VALUES",
        default_value_t = 10_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_json_values: u64,
    /// How many operations a batch may have, a JSON array in a POST; their costs count together. 0
    /// takes no batches
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_BATCH",
        default_value_t = 20,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_batch: usize,
    /// How many seconds an operation or a REST request may take; 0 is for ever. What is
    /// being written is not cut off
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_SECONDS",
        default_value_t = 10,
        value_parser = whole::<u64>(0..=DAY),
    )]
    pub(crate) max_seconds: u64,
    /// How many rows an operation may read from the database
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_ROWS",
        default_value_t = 100_000,
        value_parser = whole::<u64>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_rows: u64,
    /// How many bytes a chunk of a log may unpack to; a larger one is an error of the lines in it
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_MAX_LOG_CHUNK_BYTES",
        default_value_t = 16_777_216,
        value_parser = whole::<usize>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) max_log_chunk_bytes: usize,
    /// How many bytes of a log one search reads, unpacked; the next page goes on from there
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_LOG_SEARCH_BYTES",
        default_value_t = 268_435_456,
        value_parser = whole::<usize>(1..=MOST),
        hide_short_help = true,
    )]
    pub(crate) log_search_bytes: usize,
    /// About how many bytes of memory documents may take that were read and checked, to be used
    /// again; 0 keeps none
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_DOCUMENT_CACHE_BYTES",
        default_value_t = 16_777_216,
        value_parser = whole::<usize>(0..=MOST),
        hide_short_help = true,
    )]
    pub(crate) document_cache_bytes: usize,
    /// A JSON file with documents by their ids, or Apollo's manifest of persisted queries
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_DOCUMENTS",
        value_name = "FILE",
        help_heading = "HTTP"
    )]
    pub(crate) documents: Option<PathBuf>,
    /// Run the documents of --documents and no others
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_ONLY_DOCUMENTS",
        value_parser = switch,
        help_heading = "HTTP",
    )]
    pub(crate) only_documents: bool,
    /// Do not show the schema: no introspection, and no suggestions in errors
    #[arg(
        long,
        env = "BUILDBOT_GRAPHQL_NO_INTROSPECTION",
        value_parser = switch,
        help_heading = "HTTP",
    )]
    pub(crate) no_introspection: bool,
}

impl LimitConfig {
    /// How long an operation may take; `None` is without a limit.
    #[must_use]
    pub(crate) fn time(&self) -> Option<Duration> {
        (self.max_seconds > 0).then(|| Duration::from_secs(self.max_seconds))
    }
}

#[cfg(any(test, fuzzing))]
impl LimitConfig {
    /// The defaults, but for these flags.
    pub(crate) fn of(flags: &[&str]) -> Self {
        #[derive(clap::Parser)]
        struct Flags {
            #[command(flatten)]
            limit: LimitConfig,
        }
        let flags = ["test"].iter().chain(flags);
        <Flags as clap::Parser>::parse_from(flags).limit
    }
}
