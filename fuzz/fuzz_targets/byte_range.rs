#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| buildbot_graphql::fuzz::byte_range(data));
