//! The program. Everything it does is in the library, where its tests reach it.

use std::process::ExitCode;

/// The system's allocator kept most of what large answers had taken, in an arena for each thread.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    buildbot_graphql::main()
}
