//! The record against sorting.

use proptest::prelude::*;

use super::*;
use crate::sample::UNFINISHED_NS;

const PHASE: Phase = Phase { start_ns: 1_000_000_000, end_ns: 3_000_000_000 };

fn sample(class: u16, intended_ns: u64, latency_ns: u64) -> Sample {
    Sample {
        class,
        intended_ns,
        sent_ns: intended_ns + latency_ns / 10,
        started_ns: intended_ns + latency_ns / 2,
        done_ns: intended_ns + latency_ns,
        service_ns: 10_000,
        preempted: 2,
    }
}

/// The value of rank ceil(q n), at least the first.
fn naive_quantile(values: &mut [u64], quantile: f64) -> u64 {
    values.sort_unstable();
    let rank = (quantile * values.len() as f64).ceil().max(1.0) as usize;
    values[rank - 1]
}

fn near(recorded: u64, exact: u64) -> bool {
    recorded.abs_diff(exact) as f64 <= exact as f64 * 1e-3 + 1.0
}

#[test]
fn classes_are_apart_and_all_is_together() {
    let samples: Vec<Sample> = (0..1_000)
        .map(|index| {
            let long = index % 100 == 0;
            let latency_ns = if long { 10_000_000 } else { 20_000 };
            sample(u16::from(long), PHASE.start_ns + index * 1_000_000, latency_ns)
        })
        .collect();
    let record = Record::new(&samples, 2, PHASE, &[]);
    assert_eq!(record.classes[0].count(), 990);
    assert_eq!(record.classes[1].count(), 10);
    assert_eq!(record.all.count(), 1_000);
    assert!(near(record.classes[0].latency_ns(0.999).unwrap(), 20_000));
    assert!(near(record.all.latency_ns(0.999).unwrap(), 10_000_000));
    assert_eq!(record.all.max_ns(), Some(10_000_000));
    assert_eq!(record.classes[0].slowdown(0.5), Some(2.0));
    assert!(near(record.classes[0].lateness_ns(0.99).unwrap(), 2_000));
    assert_eq!(record.all.preemptions(), 2_000);
    assert_eq!(record.all.offered_rps(), 500.0);
}

#[test]
fn warm_up_is_cut_by_the_intended_time_and_counts_as_throughput() {
    let samples = [
        sample(0, PHASE.start_ns - 1, 50_000),
        sample(0, PHASE.start_ns, 10_000),
        sample(0, PHASE.end_ns - 1, 10_000),
        sample(0, PHASE.end_ns, 10_000),
    ];
    let class = &Record::new(&samples, 1, PHASE, &[]).classes[0];
    assert_eq!(class.count(), 2);
    assert_eq!(class.max_ns(), Some(10_000));
    // Done within the phase: the one from the warm-up and the first that counts.
    assert_eq!(class.achieved_rps(), 1.0);
    assert_eq!(class.offered_rps(), 1.0);
}

#[test]
fn stalled_requests_are_left_out_of_clean_only() {
    let samples: Vec<Sample> = (0..100)
        .map(|index| {
            let latency_ns = if index >= 98 { 2_000_000 } else { 10_000 };
            sample(0, PHASE.start_ns + index * 10_000_000, latency_ns)
        })
        .collect();
    let stall_ns = PHASE.start_ns + 98 * 10_000_000 + 500_000;
    let stall = Window { start_ns: stall_ns, end_ns: stall_ns + 1_000_000 };
    let class = &Record::new(&samples, 1, PHASE, &[stall]).classes[0];
    assert_eq!(class.stalled_share(), 0.01);
    assert!(near(class.latency_ns(0.99).unwrap(), 2_000_000));
    assert!(near(class.clean_latency_ns(0.98).unwrap(), 10_000));
    assert!(near(class.clean_latency_ns(1.0).unwrap(), 2_000_000), "the other is no stall's fault");
}

#[test]
fn unfinished_requests_stay_in_the_tail() {
    let mut samples = vec![sample(0, PHASE.start_ns, 10_000); 9];
    samples.push(Sample { done_ns: UNFINISHED_NS, ..samples[0] });
    let class = &Record::new(&samples, 1, PHASE, &[]).classes[0];
    assert_eq!((class.unfinished(), class.saturated()), (1, 1));
    assert_eq!(class.max_ns(), Some(LATENCY_MAX_NS));
    assert!(class.latency_ns(0.99).unwrap() >= LATENCY_MAX_NS);
    assert!(near(class.latency_ns(0.9).unwrap(), 10_000));
}

#[test]
fn a_class_without_samples_has_no_percentiles() {
    let record = Record::new(&[], 1, Phase { start_ns: 5, end_ns: 5 }, &[]);
    let class = &record.classes[0];
    assert_eq!((class.latency_ns(0.99), class.max_ns(), class.slowdown(0.5)), (None, None, None));
    assert_eq!((class.offered_rps(), class.stalled_share()), (0.0, 0.0));
    assert!(class.latency_interval_ns(0.99).is_none());
}

proptest! {
    #[test]
    fn percentiles_are_those_of_sorting(
        latencies in prop::collection::vec(1..5_000_000_000_u64, 1..400),
        quantile in prop::sample::select(vec![0.5, 0.9, 0.99, 0.999, 1.0]),
    ) {
        let samples: Vec<Sample> =
            latencies.iter().map(|&latency_ns| sample(0, PHASE.start_ns, latency_ns)).collect();
        let class = &Record::new(&samples, 1, PHASE, &[]).classes[0];
        let exact = naive_quantile(&mut latencies.clone(), quantile);
        let recorded = class.latency_ns(quantile).unwrap();
        prop_assert!(near(recorded, exact), "{recorded} is not {exact}");
        prop_assert_eq!(class.max_ns(), latencies.iter().max().copied());
    }

    #[test]
    fn clean_is_the_record_of_what_no_stall_touched(
        spans in prop::collection::vec((0..2_000_000_000_u64, 1..20_000_000_u64), 1..200),
        stalls in prop::collection::vec((0..2_000_000_000_u64, 0..50_000_000_u64), 0..20),
    ) {
        let samples: Vec<Sample> =
            spans.iter().map(|&(at, length)| sample(0, PHASE.start_ns + at, length)).collect();
        let stalls: Vec<Window> = stalls
            .iter()
            .map(|&(at, length)| {
                let start_ns = PHASE.start_ns + at;
                Window { start_ns, end_ns: start_ns + length }
            })
            .collect();
        let touched = |sample: &Sample| {
            stalls
                .iter()
                .any(|stall| stall.start_ns <= sample.done_ns && stall.end_ns >= sample.intended_ns)
        };
        let mut clean: Vec<u64> =
            samples.iter().filter(|sample| !touched(sample)).map(Sample::latency_ns).collect();
        let class = &Record::new(&samples, 1, PHASE, &stalls).classes[0];
        let share = 1.0 - clean.len() as f64 / samples.len() as f64;
        prop_assert!((class.stalled_share() - share).abs() < 1e-9);
        match class.clean_latency_ns(0.99) {
            None => prop_assert!(clean.is_empty()),
            Some(recorded) => prop_assert!(near(recorded, naive_quantile(&mut clean, 0.99))),
        }
    }
}
