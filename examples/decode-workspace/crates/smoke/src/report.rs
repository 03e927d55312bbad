//! The lines that a smoke run prints. Tools read them: `key=value`, no spaces inside of a value.

use engine::{Check, Method};
use profile::{PerDispatchProfile, Summary, TickRate, format_line};
use vk::{Counters, DeviceInfo};

use crate::clocks::Clocks;
use crate::passes::Throughput;

/// Tokens on a line of output.
const OUTPUT_TOKENS: usize = 16;

/// `[GPU DEVICE] …`
pub fn device(info: &DeviceInfo) -> String {
    format!(
        "[GPU DEVICE] name={} driver={} api={} kind={} timestamp_bits={} timestamp_period_ns={}",
        word(&info.name),
        word(&info.driver),
        info.api,
        info.kind,
        info.timestamp_valid_bits,
        info.timestamp_period_ns
    )
}

/// `[GPU CLOCKS] …`: how fast the clocks ran, at the start of a run (`idle`) or just after the timed passes (`busy`).
pub fn clocks(when: &str, clocks: Clocks) -> String {
    let mhz = |clock: Option<u32>| clock.map_or("unknown".to_owned(), |mhz| mhz.to_string());
    format!("[GPU CLOCKS] when={when} device_mhz={} host_mhz={}", mhz(clocks.device_mhz), mhz(clocks.host_mhz))
}

/// `[GPU TICKS] …`: whether a tick is as long as the driver says.
pub fn ticks(measured: Option<(TickRate, Method)>) -> String {
    let Some((rate, method)) = measured else { return "[GPU TICKS] method=none agrees=unknown".to_owned() };
    let method = match method {
        Method::Calibrated => "calibrated",
        Method::Submitted => "submitted",
    };
    let agrees = if rate.agrees() { "yes" } else { "no" };
    let TickRate { stated_ns, measured_ns, .. } = rate;
    format!("[GPU TICKS] method={method} stated_ns={stated_ns:.4} measured_ns={measured_ns:.4} agrees={agrees}")
}

/// `[GPU CHECK] …`
pub fn check(check: &Check) -> String {
    let Check { tokens, mismatches, ties, worst, .. } = check;
    let tokens = tokens.len();
    format!("[GPU CHECK] tokens={tokens} mismatches={mismatches} ties={ties} worst_logit_error={worst:.1e}")
}

/// `[GPU OUTPUT] …`: what was decoded, some tokens to a line. It ends before the first token that a computation in another
/// order might choose otherwise, and be right: two trees that are right print the same.
pub fn output(seed: u64, check: &Check) -> impl Iterator<Item = String> {
    (0..check.decided.max(1)).step_by(OUTPUT_TOKENS).map(move |position| {
        let tokens = check.tokens[..check.decided].iter().skip(position).take(OUTPUT_TOKENS);
        let tokens = tokens.map(u32::to_string).collect::<Vec<_>>().join(",");
        format!("[GPU OUTPUT] seed={seed} position={position} tokens={}", word(&tokens))
    })
}

/// A line for each dispatch, then one for each name, then one for what was left out.
pub fn profile(profile: &PerDispatchProfile) -> impl Iterator<Item = String> {
    let (kept, rejected) = (profile.dispatches().len(), profile.rejected());
    let last = format!(
        "[GPU PROFILE] dispatches={kept} unavailable={} backwards={} unnamed={} overflow={}",
        rejected.unavailable, rejected.backwards, rejected.unnamed, rejected.overflow
    );
    profile.dispatches().iter().map(format_line).chain(profile.by_name().into_iter().map(kernel)).chain([last])
}

/// `[GPU KERNEL] …`: sums over the dispatches of one name.
fn kernel((name, sum): (&str, Summary)) -> String {
    let Summary { count, bubble_ns, shader_ns, submit_ns } = sum;
    format!("[GPU KERNEL] name={name} count={count} bubble_ns={bubble_ns} shader_ns={shader_ns} submit_ns={submit_ns}")
}

/// `[GPU WORK] …`: what the timed pass asked of the device.
pub fn work(throughput: &Throughput, work: Counters) -> String {
    format!(
        "[GPU WORK] tokens={} submissions={} dispatches={} buffers={}",
        throughput.tokens, work.submissions, work.dispatches, work.buffers
    )
}

/// `[GPU REPETITION] …`: one of the passes that the throughput is made of.
pub fn repetition(number: u32, throughput: &Throughput) -> String {
    let (tokens, seconds) = (throughput.tokens, throughput.elapsed.as_secs_f64());
    format!("[GPU REPETITION] number={number} tokens={tokens} seconds={seconds:.3} tok_s={:.2}", throughput.tok_s())
}

/// `[GPU THROUGHPUT] …`
pub fn throughput(throughput: &Throughput) -> String {
    format!(
        "[GPU THROUGHPUT] tokens={} seconds={:.3} tok_s={:.2}",
        throughput.tokens,
        throughput.elapsed.as_secs_f64(),
        throughput.tok_s()
    )
}

/// A value without spaces; `unknown` if nothing is left of it.
fn word(text: &str) -> String {
    let word = text.split_whitespace().collect::<Vec<_>>().join("_");
    if word.is_empty() { "unknown".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_device_is_one_line_of_words() {
        let info = DeviceInfo {
            name: "llvmpipe (LLVM 15)".to_owned(),
            driver: String::new(),
            api: "1.3.230".to_owned(),
            vendor_id: 0x10005,
            device_id: 0,
            kind: "cpu",
            timestamp_valid_bits: 64,
            timestamp_period_ns: 1.0,
        };
        let expected = "[GPU DEVICE] name=llvmpipe_(LLVM_15) driver=unknown api=1.3.230 kind=cpu \
                        timestamp_bits=64 timestamp_period_ns=1";
        assert_eq!(device(&info), expected);
    }

    #[test]
    fn a_check_states_tokens_and_mismatches() {
        let line = check(&Check { tokens: vec![1, 2, 3], decided: 3, mismatches: 1, ties: 0, worst: 0.5 });
        assert_eq!(line, "[GPU CHECK] tokens=3 mismatches=1 ties=0 worst_logit_error=5.0e-1");
    }

    #[test]
    fn the_output_is_printed_as_far_as_it_is_decided() {
        let lines = |decided| {
            let check = Check { tokens: (1..=20).collect(), decided, mismatches: 0, ties: 1, worst: 0.0 };
            output(7, &check).collect::<Vec<_>>()
        };
        assert_eq!(lines(0), ["[GPU OUTPUT] seed=7 position=0 tokens=unknown"]);
        assert_eq!(lines(2), ["[GPU OUTPUT] seed=7 position=0 tokens=1,2"]);
        assert_eq!(lines(16).len(), 1);
        assert_eq!(lines(18)[1], "[GPU OUTPUT] seed=7 position=16 tokens=17,18");
    }

    #[test]
    fn clocks_that_nobody_tells_are_unknown() {
        let line = clocks("idle", Clocks { device_mhz: None, host_mhz: Some(2200) });
        assert_eq!(line, "[GPU CLOCKS] when=idle device_mhz=unknown host_mhz=2200");
        let line = clocks("busy", Clocks { device_mhz: Some(2304), host_mhz: None });
        assert_eq!(line, "[GPU CLOCKS] when=busy device_mhz=2304 host_mhz=unknown");
    }

    #[test]
    fn a_tick_that_disagrees_is_flagged() {
        for (measured_ns, agrees) in [(10.0, "yes"), (10.4, "yes"), (1.0, "no"), (100.0, "no")] {
            let rate = TickRate { stated_ns: 10.0, measured_ns, span_ns: 50_000_000 };
            let line = ticks(Some((rate, Method::Calibrated)));
            assert!(line.starts_with("[GPU TICKS] method=calibrated stated_ns=10.0000 measured_ns="), "{line}");
            assert!(line.ends_with(&format!(" agrees={agrees}")), "{line}");
        }
    }

    #[test]
    fn a_tick_that_could_not_be_measured_is_no_agreement() {
        assert_eq!(ticks(None), "[GPU TICKS] method=none agrees=unknown");
    }

    #[test]
    fn a_repetition_is_numbered() {
        let line = repetition(2, &Throughput { tokens: 100, elapsed: Duration::from_millis(500), mismatches: 0 });
        assert_eq!(line, "[GPU REPETITION] number=2 tokens=100 seconds=0.500 tok_s=200.00");
    }

    #[test]
    fn throughput_is_stated_to_a_hundredth() {
        let line = throughput(&Throughput { tokens: 256, elapsed: Duration::from_millis(5118), mismatches: 0 });
        assert_eq!(line, "[GPU THROUGHPUT] tokens=256 seconds=5.118 tok_s=50.02");
    }

    #[test]
    fn work_is_stated_beside_the_tokens_it_was_for() {
        let throughput = Throughput { tokens: 2, elapsed: Duration::from_secs(1), mismatches: 0 };
        let line = work(&throughput, Counters { submissions: 4, dispatches: 8, buffers: 6 });
        assert_eq!(line, "[GPU WORK] tokens=2 submissions=4 dispatches=8 buffers=6");
    }

    #[test]
    fn a_profile_is_its_dispatches_then_their_sums_by_name() {
        let mut profile = PerDispatchProfile::new(profile::Clock::new(64, 1.0).unwrap(), 4);
        for begin in [100, 200] {
            profile.push(profile::Sample { name: "add", begin: Some(begin), end: Some(begin + 7), submit_ns: 3 });
        }
        let lines: Vec<_> = super::profile(&profile).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("[GPU PERDISPATCH] seq=1 name=add "));
        assert_eq!(lines[2], "[GPU KERNEL] name=add count=2 bubble_ns=93 shader_ns=14 submit_ns=6");
    }

    #[test]
    fn an_empty_profile_still_says_that_it_ran() {
        let clock = profile::Clock::new(64, 1.0).unwrap();
        let lines: Vec<_> = super::profile(&PerDispatchProfile::new(clock, 4)).collect();
        assert_eq!(lines, ["[GPU PROFILE] dispatches=0 unavailable=0 backwards=0 unnamed=0 overflow=0"]);
    }
}
