//! `/metrics` in the Prometheus text format, written by the `prometheus-client` crate from a copy of the
//! counters: the registry lives for one answer only, so the rest of the program shares no state with it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// One family of values under one name.
#[derive(Debug, Clone)]
pub struct Family {
    /// The name without the prefix and, for a counter, without `_total`.
    pub name: &'static str,
    /// The description: one sentence without a full stop.
    pub help: &'static str,
    /// Whether the values only grow.
    pub is_counter: bool,
    /// The label pairs and values.
    pub values: Values,
}

/// Label pairs and value.
pub type Values = Vec<(Vec<(&'static str, String)>, u64)>;

/// Returns a family with one value that goes up and down.
pub fn gauge(name: &'static str, help: &'static str, value: usize) -> Family {
    Family {
        name,
        help,
        is_counter: false,
        values: single(value as u64),
    }
}

/// Returns a family of values that only grow.
pub fn counter(name: &'static str, help: &'static str, values: Values) -> Family {
    Family {
        name,
        help,
        is_counter: true,
        values,
    }
}

/// Returns the values of a family without labels.
pub fn single(value: u64) -> Values {
    vec![(Vec::new(), value)]
}

#[derive(Debug)]
struct Snapshot(Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.0 {
            let (counter, gauge) = (ConstCounter::new(0_u64), ConstGauge::new(0_i64));
            let kind = if family.is_counter {
                counter.metric_type()
            } else {
                gauge.metric_type()
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            if let [(labels, value)] = family.values.as_slice()
                && labels.is_empty()
            {
                write(metric, family, *value)?;
                continue;
            }
            for (labels, value) in &family.values {
                write(metric.encode_family(labels)?, family, *value)?;
            }
        }
        Ok(())
    }
}

fn write(encoder: MetricEncoder<'_>, family: &Family, value: u64) -> Result<(), fmt::Error> {
    if family.is_counter {
        ConstCounter::new(value).encode(encoder)
    } else {
        ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder)
    }
}

/// Returns the text of all families.
pub fn render(families: Vec<Family>) -> String {
    let mut registry = Registry::with_prefix("thingway");
    registry.register_collector(Box::new(Snapshot(families)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_become_text() {
        let labels = |value: &str| vec![("endpoint", value.to_owned())];
        let text = render(vec![
            Family {
                name: "sessions",
                help: "Open",
                is_counter: false,
                values: vec![(vec![], 3)],
            },
            Family {
                name: "bytes",
                help: "Bytes",
                is_counter: true,
                values: vec![(labels("a"), 1), (labels("b"), 2)],
            },
        ]);
        assert!(text.contains("thingway_sessions 3\n"), "{text}");
        assert!(
            text.contains("thingway_bytes_total{endpoint=\"b\"} 2\n"),
            "{text}"
        );
        assert!(text.contains("# TYPE thingway_bytes counter\n"), "{text}");
    }
}
