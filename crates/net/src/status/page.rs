//! The numbers of a program as OpenMetrics text: each family with its name, its help and its samples.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{Write, process};

/// A page that is being written. Names are given without the program's prefix, and those of counters without `_total`.
pub struct Page<'a> {
    prefix: &'static str,
    encoder: DescriptorEncoder<'a>,
    /// Of the family under way.
    name: String,
}

/// A sample: what its labels say, and its value.
pub(super) type Sample<const LABELS: usize, V> = ([String; LABELS], V);

impl Page<'_> {
    /// A number that only rises.
    pub fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// Numbers that only rise, one for each value of the labels. Whoever calls sees to it that these are few.
    pub fn counters<const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<N, V>>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        for (values, value) in samples {
            family
                .encode_family(&pairs(labels, &values))?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    /// A number of this moment.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// Numbers of this moment; see [`counters`](Self::counters).
    pub fn gauges<const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<N, V>>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        for (values, value) in samples {
            family
                .encode_family(&pairs(labels, &values))?
                .encode_gauge(&value)?;
        }
        Ok(())
    }

    /// How often something took how long, in seconds: upper ends of the buckets with what fell into each alone. The
    /// last one is to have no end.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        sum: f64,
        buckets: &[(f64, u64)],
    ) -> fmt::Result {
        let count = buckets
            .iter()
            .fold(0, |count: u64, (_, n)| count.saturating_add(*n));
        self.family(name, help, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.name = format!("{}{name}", self.prefix);
        self.encoder.encode_descriptor(&self.name, help, None, kind)
    }
}

fn pairs<'a, const N: usize>(
    labels: [&'a str; N],
    values: &'a [String; N],
) -> Vec<(&'a str, &'a str)> {
    labels
        .into_iter()
        .zip(values.iter().map(String::as_str))
        .collect()
}

/// What writes a program's numbers.
struct Written {
    prefix: &'static str,
    write: Write,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)
    }
}

impl Collector for Written {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let prefix = self.prefix;
        let name = String::new();
        (self.write)(&mut Page {
            prefix,
            encoder,
            name,
        })
    }
}

/// The whole text: the program's own numbers under its prefix, and those of its process under the names that
/// Prometheus' libraries give them.
pub(super) fn text(prefix: &'static str, write: Write) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Written { prefix, write }));
    registry.register_collector(Box::new(Written {
        prefix: "process_",
        write: Box::new(process::write),
    }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_name_help_kind_and_samples_of_every_family() {
        let write: Write = Box::new(|page| {
            page.counter("calls", "Calls", 3_u64)?;
            page.gauges("load", "Load", ["shard"], [(["0".to_owned()], 0.5)])?;
            let reasons = [(["a \"b\"\n".to_owned()], 1_u64)];
            page.counters("drops", "Drops", ["reason"], reasons)?;
            page.histogram(
                "took_seconds",
                "Time",
                0.3,
                &[(0.1, 1), (1.0, 2), (f64::INFINITY, 0)],
            )
        });
        let text = text("causeway_test_", write).unwrap();
        for line in [
            "# HELP causeway_test_calls Calls",
            "# TYPE causeway_test_calls counter",
            "causeway_test_calls_total 3",
            "causeway_test_load{shard=\"0\"} 0.5",
            "causeway_test_drops_total{reason=\"a \\\"b\\\"\\n\"} 1",
            "causeway_test_took_seconds_sum 0.3",
            "causeway_test_took_seconds_count 3",
            "causeway_test_took_seconds_bucket{le=\"0.1\"} 1",
            "causeway_test_took_seconds_bucket{le=\"1.0\"} 3",
            "causeway_test_took_seconds_bucket{le=\"+Inf\"} 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
