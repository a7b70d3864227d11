//! The program. Everything it does is in the library, where its tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    buildbot_graphql::main()
}
