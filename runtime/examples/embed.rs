//! A latency-critical service in one process: short lookups stay short beside long scans.
//!
//! `cargo run --release --example embed`

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use revenant::policy::TwoQueue;
use revenant::{Class, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let store: Arc<BTreeMap<u64, u64>> =
        Arc::new((0..100_000).map(|key| (key, key * key)).collect());
    let mut runtime = Runtime::builder()
        .policy(TwoQueue::default())
        .class("get", Class::slo_us(100))
        .class("scan", Class::default().in_flight_max(64))
        .build()?;

    // Long requests: plain blocking code, no async, no yield points. A safepoint is optional and
    // makes preemption cheaper.
    let scans: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            runtime.submit("scan", move |context| {
                let mut sum = 0u64;
                for _ in 0..20 {
                    for value in store.values() {
                        sum = sum.wrapping_add(*value);
                        context.safepoint();
                    }
                }
                sum
            })
        })
        .collect();

    for key in 0..2_000 {
        let store = Arc::clone(&store);
        let value = runtime.submit("get", move |_| store.get(&key).copied()).wait()?;
        assert_eq!(value, Some(key * key));
    }
    let mut sums = scans.into_iter().map(revenant::Ticket::wait).collect::<Result<Vec<_>, _>>()?;
    sums.dedup();
    assert_eq!(sums.len(), 1);

    for class in &runtime.stats().classes {
        let us = |quantile| class.stages.total.value_at_quantile(quantile) as f64 / 1e3;
        println!("{:5} p50 {:9.1} us  p99 {:9.1} us", class.name, us(0.5), us(0.99));
    }
    assert_eq!(runtime.drain(Duration::from_secs(1)).leftovers, []);
    Ok(())
}
