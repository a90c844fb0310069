//! Percentile distributions as HdrHistogram's plotters read them.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// Points in each halving of the distance to 100 %; what HdrHistogram itself prints.
const TICKS: u32 = 5;

/// The distribution of a histogram of nanoseconds, in microseconds.
#[must_use]
pub fn render(histogram_ns: &Histogram<u64>) -> String {
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut count = 0;
    for point in histogram_ns.iter_quantiles(TICKS) {
        let value_us = point.value_iterated_to() as f64 / 1e3;
        let quantile = point.quantile_iterated_to();
        count += point.count_since_last_iteration();
        let _ = write!(text, "{value_us:12.3} {quantile:14.12} {count:10}");
        text += &if quantile < 1.0 {
            format!(" {:14.2}\n", 1.0 / (1.0 - quantile))
        } else {
            "            inf\n".to_owned()
        };
    }
    let _ = write!(
        text,
        "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n\
         #[Max     = {:12.3}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        histogram_ns.mean() / 1e3,
        histogram_ns.stdev() / 1e3,
        histogram_ns.max() as f64 / 1e3,
        histogram_ns.len(),
        histogram_ns.buckets(),
        2 * 10_u64.pow(u32::from(histogram_ns.sigfig())).next_power_of_two(),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_all_values_and_never_falls() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        (1..=1_000_u64).for_each(|us| histogram.record(us * 1_000).unwrap());
        let text = render(&histogram);
        let points: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(points.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
        let median = points.iter().find(|point| point[1] == 0.5).unwrap();
        assert!((median[0] - 500.0).abs() < 1.0 && (median[2] - 500.0).abs() < 2.0, "{median:?}");
        let last = points.last().unwrap();
        assert_eq!((last[1], last[2], last[3]), (1.0, 1_000.0, f64::INFINITY));
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }

    #[test]
    fn an_empty_histogram_is_a_distribution_of_nothing() {
        let text = render(&Histogram::<u64>::new(3).unwrap());
        assert!(text.contains("Total count    =            0]"), "{text}");
    }
}
