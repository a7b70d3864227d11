//! The program: everything it does is in the library, for its tests to reach.

use std::process::ExitCode;

fn main() -> ExitCode {
    buildbot_graphql::main()
}
