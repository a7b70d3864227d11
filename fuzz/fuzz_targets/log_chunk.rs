#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| buildbot_graphql::fuzz::log_chunk(data));
