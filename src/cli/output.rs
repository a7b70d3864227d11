//! What commands print.

use std::io::{Write, stdout};

use crate::store::feed_install::changes::SchemaChanges;

/// Prints a line on standard output.
pub(crate) fn print_line(text: &str) {
    // The reader may have closed the pipe, on which `println!` would panic.
    let _ = writeln!(stdout(), "{text}");
}

/// Prints a line for each table, trigger or index that was removed or added.
pub(crate) fn print_changes(changes: &SchemaChanges) {
    for (verb, names) in [("removed", &changes.removed), ("added", &changes.added)] {
        for name in names {
            print_line(&format!("{verb} {name}"));
        }
    }
}
