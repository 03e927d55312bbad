//! The program as CI runs it: with a cleared environment.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use profile::parse_line;

/// Smoke on the smallest model for a moment, with nothing set.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smoke"));
    command.args(["--size", "tiny", "--tokens", "4", "--seconds", "0.02"]).env_clear();
    command
}

/// Runs it with nothing but `variables` set.
fn smoke(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command().args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn lines(output: &Output, tag: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.starts_with(tag)).map(str::to_owned).collect()
}

#[test]
fn a_run_names_the_device_checks_the_tokens_and_states_the_throughput() {
    let output = smoke(&[], &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(lines(&output, "[GPU DEVICE] name=")[0].contains(" driver="));
    assert!(lines(&output, "[GPU CHECK]")[0].starts_with("[GPU CHECK] tokens=4 mismatches=0 "));
    assert_eq!(lines(&output, "[GPU THROUGHPUT] tokens=").len(), 1);
}

#[test]
fn the_output_is_that_of_the_prompt() {
    let printed = |seed: &str| {
        let output = smoke(&["--tokens", "20", "--seed", seed], &[]);
        let lines = lines(&output, "[GPU OUTPUT]").into_iter();
        lines.map(|line| line.split_once(" position=").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let first = printed("1");
    assert!(first[0].starts_with("0 tokens=") && !first[0].ends_with("unknown"), "{first:?}");
    assert_eq!(printed("1"), first);
    assert_ne!(printed("2"), first);
}

#[test]
fn a_run_says_how_fast_the_clocks_run_and_whether_ticks_are_right() {
    let output = smoke(&[], &[]);
    let clocks = lines(&output, "[GPU CLOCKS]");
    assert_eq!(clocks.len(), 2, "{output:?}");
    assert!(clocks[0].contains(" when=idle device_mhz=") && clocks[1].contains(" when=busy device_mhz="));
    let ticks = lines(&output, "[GPU TICKS]");
    assert!(ticks[0].ends_with(" agrees=yes"), "{ticks:?}");
}

#[test]
fn the_timed_pass_is_repeated_as_often_as_asked_for() {
    for (repetitions, count) in [("1", 1), ("5", 5)] {
        let output = smoke(&["--repetitions", repetitions], &[]);
        assert_eq!(lines(&output, "[GPU REPETITION]").len(), count);
        assert_eq!(lines(&output, "[GPU THROUGHPUT]").len(), 1);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_without_a_panic() {
    let piped = || Stdio::piped();
    let mut child = command().args(["--seconds", "0.3"]).stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("[GPU DEVICE]"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn help_goes_to_the_log_and_is_no_failure() {
    let output = smoke(&["--help"], &[]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("usage: smoke"));
}

#[test]
fn dispatches_are_not_printed_unless_asked_for() {
    assert!(lines(&smoke(&[], &[]), "[GPU PERDISPATCH]").is_empty());
    assert!(lines(&smoke(&[], &[("CORTEX_PROFILE_PERDISPATCH", "0")]), "[GPU PERDISPATCH]").is_empty());
}

#[test]
fn dispatches_are_printed_when_asked_for() {
    let dispatches = lines(&smoke(&[], &[("CORTEX_PROFILE_PERDISPATCH", "1")]), "[GPU PERDISPATCH]");
    assert!(!dispatches.is_empty());
    for (seq, line) in (0u64..).zip(&dispatches) {
        assert_eq!(parse_line(line).unwrap().seq, seq);
    }
}

#[test]
fn any_weights_and_any_prompt_are_computed_right() {
    for seed in ["0", "1", "18446744073709551615"] {
        for flag in ["--seed", "--weights"] {
            assert!(smoke(&[flag, seed], &[]).status.success(), "{flag} {seed}");
        }
    }
}

#[test]
fn wrong_usage_ends_with_status_2_and_shows_the_usage() {
    let output = smoke(&["--layers", "3"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: smoke"));
}

#[test]
fn a_machine_without_a_device_gets_status_3_and_a_reason() {
    let none = "/nonexistent/driver.json";
    let output = smoke(&[], &[("VK_DRIVER_FILES", none), ("VK_ICD_FILENAMES", none)]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("smoke: no Vulkan device"), "{output:?}");
}
