//! What the operator counts and measures, for Prometheus. `docs/metrics.md` describes each; no label holds anything
//! that somebody outside the cluster could multiply.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of admission's latency, in seconds: our own share is below a millisecond.
const ADMISSION_SECONDS: [f64; 9] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0, 10.0];

/// Labels of an admission request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Admission {
    operation: &'static str,
    outcome: &'static str,
}

/// One label: what something came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Labels of a Job that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobEnd {
    errand: &'static str,
    outcome: &'static str,
}

/// One label: a kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// One label: a preflight.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPreflight {
    preflight: String,
}

/// Labels of verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdicts {
    preflight: String,
    status: &'static str,
}

/// A gauge of seconds since 1970 or of a count; negative is never shown.
type Number = Gauge<i64, AtomicI64>;

/// Everything that is counted.
#[derive(Debug)]
pub struct Telemetry {
    registry: Mutex<Registry>,
    admissions: Family<Admission, Counter>,
    admission_seconds: Histogram,
    inspections: Family<Outcome, Counter>,
    layers_scanned: Counter<u64, AtomicU64>,
    layer_bytes: Counter<u64, AtomicU64>,
    pending: Family<OfPreflight, Number>,
    verdicts: Family<Verdicts, Number>,
    certificate_expiry: Number,
    leader: Number,
    status_writes: Family<Outcome, Counter>,
    foreign_status_writes: Counter,
    unreadable: Family<Kind, Number>,
    problems: Number,
    jobs_ended: Family<JobEnd, Counter>,
    jobs_refused: Counter,
    jobs_queued: Number,
    jobs_running: Number,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let telemetry = Self {
            registry: Mutex::new(Registry::with_prefix("kmm_preflight")),
            admissions: Family::default(),
            admission_seconds: Histogram::new(ADMISSION_SECONDS),
            inspections: Family::default(),
            layers_scanned: Counter::default(),
            layer_bytes: Counter::default(),
            pending: Family::default(),
            verdicts: Family::default(),
            certificate_expiry: Number::default(),
            leader: Number::default(),
            status_writes: Family::default(),
            foreign_status_writes: Counter::default(),
            unreadable: Family::default(),
            problems: Number::default(),
            jobs_ended: Family::default(),
            jobs_refused: Counter::default(),
            jobs_queued: Number::default(),
            jobs_running: Number::default(),
        };
        telemetry.register();
        telemetry
    }

    fn register(&self) {
        let Ok(mut registry) = self.registry.lock() else {
            return;
        };
        registry.register("admission_requests", "Admission requests", self.admissions.clone());
        registry.register(
            "admission_duration_seconds",
            "Time from an admission request's last byte to its answer",
            self.admission_seconds.clone(),
        );
        registry.register("inspections", "Looks at a target's image", self.inspections.clone());
        registry.register("layers_scanned", "Layers that were read", self.layers_scanned.clone());
        registry.register(
            "layer_bytes",
            "Compressed bytes of layers that were read",
            self.layer_bytes.clone(),
        );
        registry.register(
            "targets_pending",
            "Targets that wait for a look, or are looked at",
            self.pending.clone(),
        );
        registry.register("verdicts", "Modules of a preflight by verdict", self.verdicts.clone());
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the webhook's certificate expires",
            self.certificate_expiry.clone(),
        );
        registry.register("leader", "Whether this replica reconciles", self.leader.clone());
        registry.register(
            "status_writes",
            "Writes of a preflight's status",
            self.status_writes.clone(),
        );
        registry.register(
            "foreign_status_writes",
            "Times that somebody else was seen to have written a status",
            self.foreign_status_writes.clone(),
        );
        registry.register(
            "unreadable_objects",
            "Objects that could not be read",
            self.unreadable.clone(),
        );
        registry.register(
            "problems",
            "Objects and watches that the log says cannot be read now",
            self.problems.clone(),
        );
        self.register_jobs(&mut registry);
    }

    fn register_jobs(&self, registry: &mut Registry) {
        registry.register("jobs_ended", "Jobs that have ended", self.jobs_ended.clone());
        registry.register(
            "jobs_refused",
            "Times that the API server refused a Job",
            self.jobs_refused.clone(),
        );
        registry.register("jobs_queued", "Jobs that wait for their turn", self.jobs_queued.clone());
        registry.register(
            "jobs_running",
            "Jobs that are there and have not ended",
            self.jobs_running.clone(),
        );
    }

    /// The text that Prometheus scrapes (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Ok(registry) = self.registry.lock() {
            // Writing into a String cannot fail.
            let _ = encode(&mut text, &registry);
        }
        text
    }

    /// An admission request was answered. `operation` is one of the API's own words.
    pub fn admitted(&self, operation: &'static str, outcome: &'static str, seconds: f64) {
        self.admissions.get_or_create(&Admission { operation, outcome }).inc();
        self.admission_seconds.observe(seconds);
    }

    /// A target was looked at: `judged`, or the kind of failure.
    pub fn inspected(&self, outcome: &'static str) {
        self.inspections.get_or_create(&Outcome { outcome }).inc();
    }

    /// So many layers and bytes were read since the process started.
    pub fn read_layers(&self, layers: u64, bytes: u64) {
        self.layers_scanned
            .inc_by(layers.saturating_sub(self.layers_scanned.get()));
        self.layer_bytes.inc_by(bytes.saturating_sub(self.layer_bytes.get()));
    }

    /// What a preflight has come to.
    pub fn verdicts(&self, preflight: &str, counts: [(&'static str, usize); 3], pending: usize) {
        for (status, count) in counts {
            let labels = Verdicts {
                preflight: preflight.to_owned(),
                status,
            };
            self.verdicts.get_or_create(&labels).set(number(count));
        }
        let preflight = preflight.to_owned();
        self.pending
            .get_or_create(&OfPreflight { preflight })
            .set(number(pending));
    }

    /// A preflight is gone, or another replica has taken it over.
    pub fn forget(&self, preflight: &str) {
        for status in STATUSES {
            self.verdicts.remove(&Verdicts {
                preflight: preflight.to_owned(),
                status,
            });
        }
        let preflight = preflight.to_owned();
        self.pending.remove(&OfPreflight { preflight });
    }

    /// When the certificate expires, in seconds since 1970.
    pub fn certificate_expires(&self, seconds: i64) {
        self.certificate_expiry.set(seconds);
    }

    /// Whether this replica reconciles.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A status was written, or not: `written`, `refused`, `failed`.
    pub fn wrote_status(&self, outcome: &'static str) {
        self.status_writes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Somebody else has written a status.
    pub fn saw_foreign_write(&self) {
        self.foreign_status_writes.inc();
    }

    /// A Job has ended: what it was for, and what it came to.
    pub fn job_ended(&self, errand: &'static str, outcome: &'static str) {
        self.jobs_ended.get_or_create(&JobEnd { errand, outcome }).inc();
    }

    /// The API server refused a Job.
    pub fn job_refused(&self) {
        self.jobs_refused.inc();
    }

    /// So many Jobs wait, and so many are at work, over all preflights.
    pub fn jobs(&self, queued: usize, running: usize) {
        self.jobs_queued.set(number(queued));
        self.jobs_running.set(number(running));
    }

    /// So many objects of a kind cannot be read.
    pub fn unreadable(&self, kind: &'static str, count: usize) {
        self.unreadable.get_or_create(&Kind { kind }).set(number(count));
    }

    /// So many things in the cluster cannot be read, each of which the log tells.
    pub fn problems(&self, count: usize) {
        self.problems.set(number(count));
    }
}

/// The values of the label `status`, as the API has them.
pub const STATUSES: [&str; 3] = ["Success", "Failure", "InProgress"];

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_can_be_scraped() {
        let telemetry = Telemetry::new();
        telemetry.admitted("CREATE", "denied", 0.000_2);
        telemetry.inspected("judged");
        telemetry.read_layers(3, 500);
        telemetry.read_layers(4, 900);
        telemetry.verdicts("upgrade", [("Success", 7), ("Failure", 2), ("InProgress", 1)], 1);
        telemetry.leads(true);
        telemetry.job_ended("make", "failed");
        telemetry.job_refused();
        telemetry.jobs(3, 2);
        telemetry.problems(4);
        let text = telemetry.text();
        for line in [
            r#"kmm_preflight_admission_requests_total{operation="CREATE",outcome="denied"} 1"#,
            r#"kmm_preflight_inspections_total{outcome="judged"} 1"#,
            "kmm_preflight_layers_scanned_total 4",
            "kmm_preflight_layer_bytes_total 900",
            r#"kmm_preflight_verdicts{preflight="upgrade",status="Failure"} 2"#,
            r#"kmm_preflight_targets_pending{preflight="upgrade"} 1"#,
            "kmm_preflight_leader 1",
            r#"kmm_preflight_jobs_ended_total{errand="make",outcome="failed"} 1"#,
            "kmm_preflight_jobs_refused_total 1",
            "kmm_preflight_jobs_queued 3",
            "kmm_preflight_jobs_running 2",
            "kmm_preflight_problems 4",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_preflight_that_went_leaves_no_series() {
        let telemetry = Telemetry::new();
        telemetry.verdicts("upgrade", STATUSES.map(|status| (status, 1)), 0);
        telemetry.forget("upgrade");
        assert!(!telemetry.text().contains("upgrade"));
    }
}
