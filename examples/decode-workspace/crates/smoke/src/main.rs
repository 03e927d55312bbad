//! The smoke test: decode on the device, hold every token to the CPU reference, and only then take the time.
//!
//! Exit status: 0 all is well; 1 a token is wrong; 2 wrong usage; 3 no Vulkan device; 4 the device failed; 5 nobody reads
//! what is printed.

mod args;
mod clocks;
mod log;
mod passes;
mod report;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Request};
use clocks::Clocks;
use engine::{Decoder, Weights};
use log::Log;
use passes::{Sequence, Throughput};
use vk::{Device, DeviceInfo};

/// Asks for one line per dispatch.
const PROFILE_VARIABLE: &str = "CORTEX_PROFILE_PERDISPATCH";
/// Tokens of the prompt.
const PROMPT_TOKENS: usize = 8;
/// How long the device's clock is compared with the host's.
const TICK_SPAN: Duration = Duration::from_millis(50);

/// Why a run ended early.
enum Failure {
    Engine(engine::Error),
    Output(io::Error),
}

impl<E: Into<engine::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Engine(error.into())
    }
}

fn main() -> ExitCode {
    let mut log = Log::new(io::stdout().lock());
    let args = match args::parse(std::env::args().skip(1)) {
        Ok(Request::Run(args)) => args,
        Ok(Request::Help) => return log.line(args::USAGE.trim_end()).map_or(ExitCode::from(5), |()| ExitCode::SUCCESS),
        Err(message) => {
            eprintln!("smoke: {message}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&args, &mut log) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Engine(error)) => {
            eprintln!("smoke: {error}");
            ExitCode::from(if is_absent_device(&error) { 3 } else { 4 })
        }
        Err(Failure::Output(error)) => {
            eprintln!("smoke: what it prints could not be written: {error}");
            ExitCode::from(5)
        }
    }
}

/// Whether every token was right.
fn run(args: &Args, log: &mut Log<impl Write>) -> Result<bool, Failure> {
    let device = Device::open()?;
    let info = device.info();
    print(log, report::device(info))?;
    print(log, report::clocks("idle", clocks_of(info)))?;
    if info.timestamp_valid_bits > 0 {
        check_ticks(&device, log)?;
    }
    let weights = Weights::from_seed(args.shape, args.weights);
    let mut decoder = Decoder::new(&device, &weights)?;

    let prompt = engine::prompt(&args.shape, args.seed, PROMPT_TOKENS);
    let check = engine::check(&mut decoder, &weights, &prompt, args.tokens)?;
    print(log, report::check(&check))?;
    log.lines(report::output(args.seed, &check)).map_err(Failure::Output)?;
    if check.mismatches > 0 {
        eprintln!("smoke: the device does not compute what the reference computes; nothing is timed");
        return Ok(false);
    }
    let sequence = Sequence { prompt, chosen: check.tokens };
    if is_set(PROFILE_VARIABLE) {
        let profile = passes::profile(&mut decoder, &sequence)?;
        log.lines(report::profile(&profile)).map_err(Failure::Output)?;
    }
    time(args, &device, &mut decoder, &sequence, log)
}

/// The timed passes. Whether every token of them was right.
fn time(
    args: &Args,
    device: &Device,
    decoder: &mut Decoder<'_>,
    sequence: &Sequence,
    log: &mut Log<impl Write>,
) -> Result<bool, Failure> {
    let before = device.counters();
    let mut throughput = Throughput::default();
    for number in 1..=args.repetitions {
        let repetition = passes::throughput(decoder, sequence, args.window / args.repetitions)?;
        print(log, report::repetition(number, &repetition))?;
        throughput = throughput.and(repetition);
    }
    let work = device.counters().since(before);
    print(log, report::clocks("busy", clocks_of(device.info())))?;
    print(log, report::work(&throughput, work))?;
    print(log, report::throughput(&throughput))?;
    if throughput.mismatches > 0 {
        eprintln!("smoke: {} timed tokens differ from the checked ones", throughput.mismatches);
    }
    Ok(throughput.mismatches == 0)
}

fn check_ticks(device: &Device, log: &mut Log<impl Write>) -> Result<(), Failure> {
    let measured = engine::tick_rate(device, TICK_SPAN)?;
    print(log, report::ticks(measured))?;
    if measured.is_some_and(|(rate, _)| !rate.agrees()) {
        eprintln!("smoke: the device's ticks are not as long as its driver says; do not trust times in nanoseconds");
    }
    Ok(())
}

fn print(log: &mut Log<impl Write>, line: String) -> Result<(), Failure> {
    log.line(line).map_err(Failure::Output)
}

fn clocks_of(info: &DeviceInfo) -> Clocks {
    clocks::read(Path::new(clocks::DRM), Path::new(clocks::CPUINFO), info.vendor_id, info.device_id)
}

fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}

fn is_absent_device(error: &engine::Error) -> bool {
    matches!(error, engine::Error::Vulkan(error) if error.is_absent_device())
}
