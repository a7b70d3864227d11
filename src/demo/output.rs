//! What a simulated step writes into its log: a compiler's or a test runner's lines, or a few of
//! any other program's.

use crate::{
    demo::{dice::Dice, script::SimulatedStep},
    domain::{
        log::LogStream::{self, Header, Stderr, Stdout},
        results::Results,
    },
};

/// A line of a log.
pub(crate) type OutputLine = (LogStream, String);

/// The most things that a log counts one by one.
const MAX_THINGS: u32 = 160;
/// How many there are where the step does not say.
const FEW: u32 = 4;

const MODULES: [&str; 8] = [
    "scheduler",
    "worker",
    "socket",
    "parser",
    "cache",
    "journal",
    "render",
    "locks",
];

const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[1;33m";
const RED: &str = "\u{1b}[1;31m";
const PLAIN: &str = "\u{1b}[0m";

/// The lines of a step that ends so, in the build of this number.
pub(crate) fn output(script: &SimulatedStep, number: i32, results: Results) -> Vec<OutputLine> {
    let count = script.total.unwrap_or(FEW).min(MAX_THINGS);
    let mut dice = Dice::seeded(u64::from(number.unsigned_abs()) * 100 + u64::from(count));
    // Where it goes wrong, if it does.
    let trouble = u32::try_from(dice.roll_percent()).unwrap_or(0) * count / 100;
    let mut lines = vec![
        (Header, command(script)),
        (Header, format!(" in dir /srv/worker/{}/build", script.name)),
    ];
    for at in 0..count {
        let module = MODULES[at as usize % MODULES.len()];
        let is_trouble = at == trouble && results != Results::Success;
        lines.push(match script.doing {
            "compiling" | "building" | "linking" => (Stdout, compiled(at, count, module)),
            "testing" | "measuring" | "fuzzing" => (Stdout, tested(at, module, is_trouble)),
            doing => (Stdout, format!("{doing} {module} ({} of {count})", at + 1)),
        });
        if is_trouble {
            lines.extend(complaint(script, module, at, results));
            // A compiler stops there, a test runner goes on.
            if results != Results::Warnings && script.doing != "testing" {
                break;
            }
        }
    }
    if script.doing == "testing" {
        lines.push((Stdout, test_summary(count, results)));
    }
    lines.push((Header, exit(results)));
    lines
}

fn command(script: &SimulatedStep) -> String {
    match script.doing {
        "compiling" => "cmake --build . --parallel 4".to_owned(),
        "testing" => format!("python -m pytest --color=yes tests/{}", script.name),
        _ => format!("make {}", script.name),
    }
}

fn compiled(at: u32, count: u32, module: &str) -> String {
    let percent = 100 * (at + 1) / count;
    format!(
        "[{percent:3}%] {GREEN}Building CXX object src/{module}/CMakeFiles/{module}_{at}.cpp.o{PLAIN}"
    )
}

fn tested(at: u32, module: &str, is_trouble: bool) -> String {
    let verdict = if is_trouble {
        format!("{RED}FAILED{PLAIN}")
    } else {
        format!("{GREEN}PASSED{PLAIN}")
    };
    format!("tests/test_{module}.py::test_{at} {verdict}")
}

/// What is said where a step goes wrong.
fn complaint(script: &SimulatedStep, module: &str, at: u32, results: Results) -> Vec<OutputLine> {
    let line = 20 + at;
    match (script.doing, results) {
        (_, Results::Warnings) => vec![
            (
                Stderr,
                format!(
                    "src/{module}/{module}_{at}.cpp:{line}:9: {YELLOW}warning:{PLAIN} unused variable 'retries' [-Wunused-variable]"
                ),
            ),
            (Stderr, format!("   {line} |     int retries = 3;")),
            (Stderr, "      |         ^~~~~~~".to_owned()),
        ],
        ("compiling" | "building", Results::Failure) => vec![
            (
                Stderr,
                format!(
                    "src/{module}/{module}_{at}.cpp:{line}:23: {RED}error:{PLAIN} no member named 'deadline' in 'Options'"
                ),
            ),
            (
                Stderr,
                format!("   {line} |     return options.deadline();"),
            ),
            (Stderr, "      |                       ^~~~~~~~".to_owned()),
            (
                Stderr,
                "ninja: build stopped: subcommand failed.".to_owned(),
            ),
        ],
        ("testing", Results::Failure) => vec![
            (Stdout, format!("    def test_{at}(self):")),
            (Stdout, ">       assert answer.status == 200".to_owned()),
            (
                Stdout,
                format!("{RED}E       AssertionError: assert 503 == 200{PLAIN}"),
            ),
            (
                Stdout,
                format!("tests/test_{module}.py:{line}: AssertionError"),
            ),
        ],
        _ => vec![(
            Stderr,
            format!("{RED}error:{PLAIN} {module}: the connection was closed by the other side"),
        )],
    }
}

fn test_summary(count: u32, results: Results) -> String {
    if results == Results::Success {
        return format!("{GREEN}====== {count} passed ======{PLAIN}");
    }
    let passed = count.saturating_sub(1);
    format!("{RED}====== 1 failed, {passed} passed ======{PLAIN}")
}

fn exit(results: Results) -> String {
    let code = match results {
        Results::Success | Results::Warnings => 0,
        Results::Failure => 1,
        _ => -1,
    };
    format!("program finished with exit code {code}")
}

/// Lines as they are stored, joined.
pub(crate) fn stored(lines: &[OutputLine]) -> Vec<u8> {
    let lines = lines.iter();
    let stored: Vec<_> = lines
        .map(|(stream, text)| format!("{}{text}", stream.character()))
        .collect();
    stored.join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::builders::BUILDERS;

    #[test]
    fn a_failed_step_says_why_and_all_fit_one_chunk() {
        for script in BUILDERS.iter().flat_map(|builder| builder.steps) {
            for results in Results::ALL {
                let lines = output(script, 7, results);
                let has_complaint = lines
                    .iter()
                    .any(|(stream, text)| *stream == Stderr || text.contains("FAILED"));
                assert_eq!(
                    has_complaint,
                    results != Results::Success,
                    "{}",
                    script.name
                );
                assert!(lines.iter().all(|(_, text)| !text.contains('\n')));
                assert!(stored(&lines).len() <= 65_536);
            }
        }
    }
}
