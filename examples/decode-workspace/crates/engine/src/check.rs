//! Holding the device to the CPU reference.

use model::{Reference, Weights, greedy};

use crate::decoder::Decoder;
use crate::error::Error;

/// How far a logit may be from the reference. Logits are of the order of 1; sums of a few thousand products of 32-bit
/// floats in another order differ by some 1e-5.
pub const TOLERANCE: f32 = 2e-3;

/// Outcome of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The token that the device chose after each position, those of the prompt among them.
    pub tokens: Vec<u32>,
    /// How many of the first of them any right computation chooses alike: up to the position at which the reference's
    /// two best are too close to tell them apart.
    pub decided: usize,
    /// How many of them the reference does not bear out.
    pub mismatches: usize,
    /// How many are another token than the reference's, whose logits are too close to tell them apart.
    pub ties: usize,
    /// The largest distance of a logit from the reference.
    pub worst: f32,
}

/// Decodes `count` positions that begin with `prompt`, which is not empty. Device and reference see the same tokens; the
/// device's choice goes on to the next position, so that errors cannot hide behind a tie.
pub fn check(decoder: &mut Decoder<'_>, weights: &Weights, prompt: &[u32], count: u32) -> Result<Check, Error> {
    let mut reference = Reference::new(weights);
    let mut check = Check { tokens: Vec::new(), decided: 0, mismatches: 0, ties: 0, worst: 0.0 };
    let mut chosen = 0;
    for position in 0..count {
        let token = prompt.get(position as usize).copied().unwrap_or(chosen);
        let logits = decoder.step(token, position)?;
        let expected = reference.step(token, position)?;
        let distance = distance(&logits, &expected);
        chosen = greedy(&logits);
        if check.decided == check.tokens.len() && lead(&expected) > TOLERANCE {
            check.decided += 1;
        }
        check.tokens.push(chosen);
        check.worst = check.worst.max(distance);
        match verdict(distance, chosen, &expected) {
            Verdict::Equal => {}
            Verdict::Tie => check.ties += 1,
            Verdict::Mismatch => check.mismatches += 1,
        }
    }
    Ok(check)
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Equal,
    Tie,
    Mismatch,
}

/// What is to be said of logits at `distance` from `expected` that chose `token`.
fn verdict(distance: f32, token: u32, expected: &[f32]) -> Verdict {
    let best = greedy(expected);
    let of = |token: u32| expected.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    if distance > TOLERANCE || of(best) - of(token) > TOLERANCE {
        Verdict::Mismatch
    } else if token == best {
        Verdict::Equal
    } else {
        Verdict::Tie
    }
}

/// How far the best of the logits is ahead of the next.
fn lead(logits: &[f32]) -> f32 {
    let (best, next) = logits.iter().fold((f32::NEG_INFINITY, f32::NEG_INFINITY), |(best, next), logit| {
        if *logit > best { (*logit, best) } else { (best, next.max(*logit)) }
    });
    best - next
}

/// The largest difference; infinite if a value is not a number or the lengths differ.
fn distance(logits: &[f32], expected: &[f32]) -> f32 {
    if logits.len() != expected.len() {
        return f32::INFINITY;
    }
    let differences = logits.iter().zip(expected).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, difference| if difference.is_nan() { f32::INFINITY } else { difference.max(worst) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_are_no_distance_apart() {
        assert_eq!(distance(&[1.0, -2.0], &[1.0, -2.0]), 0.0);
    }

    #[test]
    fn the_largest_difference_counts() {
        assert_eq!(distance(&[1.0, -2.0, 0.0], &[1.5, -4.0, 0.0]), 2.0);
    }

    #[test]
    fn not_a_number_is_no_agreement() {
        assert_eq!(verdict(distance(&[f32::NAN, 1.0], &[0.0, 1.0]), 1, &[0.0, 1.0]), Verdict::Mismatch);
        assert_eq!(verdict(distance(&[1.0, f32::NAN], &[1.0, 0.0]), 0, &[1.0, 0.0]), Verdict::Mismatch);
    }

    #[test]
    fn missing_logits_are_no_agreement() {
        assert_eq!(verdict(distance(&[], &[0.0, 1.0]), 0, &[0.0, 1.0]), Verdict::Mismatch);
    }

    #[test]
    fn the_token_of_the_reference_is_equal() {
        assert_eq!(verdict(1e-4, 1, &[1.0, 1.5]), Verdict::Equal);
    }

    #[test]
    fn one_as_good_within_the_tolerance_is_a_tie() {
        assert_eq!(verdict(1e-4, 0, &[1.0, 1.0 + 1e-4]), Verdict::Tie);
    }

    #[test]
    fn a_worse_token_is_a_mismatch_however_close_the_logits() {
        assert_eq!(verdict(0.0, 0, &[1.0, 1.1]), Verdict::Mismatch);
    }

    #[test]
    fn logits_too_far_away_are_a_mismatch_whichever_token_they_chose() {
        assert_eq!(verdict(2.0 * TOLERANCE, 1, &[1.0, 1.5]), Verdict::Mismatch);
    }

    #[test]
    fn the_lead_of_the_best_is_over_the_next_wherever_they_stand() {
        for logits in [[3.0, 1.0, 2.5], [1.0, 3.0, 2.5], [2.5, 1.0, 3.0]] {
            assert_eq!(lead(&logits), 0.5, "{logits:?}");
        }
        assert_eq!(lead(&[3.0, 3.0]), 0.0);
    }

    #[test]
    fn a_token_outside_of_the_vocabulary_is_a_mismatch() {
        assert_eq!(verdict(0.0, 9, &[1.0, 1.1]), Verdict::Mismatch);
    }
}
