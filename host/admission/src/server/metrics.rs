//! What is counted and measured, for Prometheus. No user, namespace or name of an object is ever a label.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use trocar::plan::Mode;

use crate::review::{Verdict, Webhook};

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

pub(super) struct Metrics {
    registry: Registry,
    reviews: Family<Labels<3>, Counter>,
    durations: Histograms<Labels<1>>,
    policies: Histograms<Vec<(&'static str, String)>>,
    refused: Family<Labels<1>, Counter>,
    reloaded: Family<Labels<1>, Gauge>,
    expiry: Gauge<f64, AtomicU64>,
    ready: Gauge,
}

/// From 50 µs to 1.6 s: a review takes less than a millisecond, a policy at most a second.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("trocar_admission");
        let reviews = Family::default();
        registry.register("reviews", "Reviews that were answered", reviews.clone());
        let durations = Histograms::new_with_constructor(histogram as fn() -> Histogram);
        let help = "How long a review took, from its last byte to its answer";
        registry.register_with_unit("review_duration", help, Unit::Seconds, durations.clone());
        let policies = Histograms::new_with_constructor(histogram as fn() -> Histogram);
        let help = "How long one call of a policy took";
        registry.register_with_unit("policy_duration", help, Unit::Seconds, policies.clone());
        let refused = Family::default();
        let help = "Requests that were refused without a verdict";
        registry.register("refused", help, refused.clone());
        let reloaded = Family::default();
        let help = "Whether the mounted configuration and certificate are in force";
        registry.register("config_reload_success", help, reloaded.clone());
        let expiry = Gauge::default();
        let help = "When the certificate ends, in seconds since 1970";
        registry.register("certificate_expiry_timestamp_seconds", help, expiry.clone());
        let ready = Gauge::default();
        registry.register("ready", "Whether reviews are answered", ready.clone());
        Self {
            registry,
            reviews,
            durations,
            policies,
            refused,
            reloaded,
            expiry,
            ready,
        }
    }
}

impl Metrics {
    pub(crate) fn reviewed(&self, webhook: Webhook, verdict: &Verdict, took: Duration) {
        // Labels have few values only. With names of users or objects, each new one would be a time series forever.
        let mode = match verdict.mode {
            None => "none",
            Some(Mode::Enforce) => "enforce",
            Some(Mode::Warn) => "warn",
            Some(Mode::Audit) => "audit",
        };
        let labels = [
            ("webhook", webhook.word()),
            ("verdict", verdict.found.word()),
            ("mode", mode),
        ];
        self.reviews.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&[("webhook", webhook.word())])
            .observe(took.as_secs_f64());
        for (policy, took) in &verdict.took {
            self.policies
                .get_or_create(&vec![("policy", policy.clone())])
                .observe(took.as_secs_f64());
        }
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn reloaded(&self, what: &'static str, is_good: bool) {
        self.reloaded
            .get_or_create(&[("what", what)])
            .set(i64::from(is_good));
    }

    pub(crate) fn certificate_ends(&self, seconds: i64) {
        self.expiry.set(seconds as f64);
    }

    pub(crate) fn ready(&self, is_ready: bool) {
        self.ready.set(i64::from(is_ready));
    }

    /// All of them, as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string can always be written to");
        text
    }
}
