//! Writes one preflight's status where it differs from what stands there, tells people what is new in it, and notices
//! when somebody else writes it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::Resource as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use tracing::warn;

use super::Operator;
use super::news::{News, news};
use crate::api::{PreflightStatus, PreflightValidationOCP};
use crate::cluster::{
    CallError, Fitting, InstalledSchema, Notice, Weight, WriteOutcome, fit, foreign_managers, write_status,
};
use crate::plan::{CONTESTED, ObjectName};

/// How long to wait after a write that failed.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// How long the status says that somebody else writes it too, after that was last seen. A controller that was stopped is
/// back off its longest pauses by then.
const STAYS_CONTESTED: SignedDuration = SignedDuration::from_mins(20);

/// What stands in one preflight's status, as far as is known.
pub(super) struct Scribe {
    standing: Option<PreflightStatus>,
    /// What was written last, whatever somebody else has made of it since: times go on from there, and only what differs from it is
    /// news.
    written: Option<PreflightStatus>,
    /// The version of the object with it.
    version: Option<u64>,
    /// What is said of somebody else who writes it too, and until when.
    contested: Option<(String, Timestamp)>,
}

/// What came of writing.
pub(super) enum Wrote {
    /// Nothing was to be written.
    Nothing,
    /// The status.
    Status,
    /// It could not be written; it is to be tried again after that time.
    Failed(SignedDuration),
}

impl Scribe {
    /// What stands in a preflight. That somebody else writes it too is still said where the process before said so.
    pub(super) fn new(preflight: &PreflightValidationOCP, now: Timestamp) -> Self {
        let conditions = preflight.status.iter().flat_map(|status| &status.conditions);
        let mut contested = conditions.filter(|condition| condition.type_ == CONTESTED);
        Self {
            standing: preflight.status.clone(),
            written: preflight.status.clone(),
            version: version(preflight),
            contested: contested
                .next()
                .map(|condition| (condition.message.clone(), now + STAYS_CONTESTED)),
        }
    }

    /// What the status says of somebody else who writes it too, where that was seen not long ago, and until when it is said.
    pub(super) fn contested(&self, now: Timestamp) -> Option<(&str, Timestamp)> {
        let (said, until) = self.contested.as_ref()?;
        (now < *until).then_some((said, *until))
    }

    /// The status as it was written last.
    pub(super) fn written(&self) -> Option<&PreflightStatus> {
        self.written.as_ref()
    }

    /// Writes a status if it differs from what stands there.
    pub(super) async fn write(
        &mut self,
        operator: &Operator,
        preflight: &PreflightValidationOCP,
        status: PreflightStatus,
    ) -> Wrote {
        if self.standing.as_ref() == Some(&status) {
            return Wrote::Nothing;
        }
        match self.put(operator, preflight, &status).await {
            Ok(None) => Wrote::Nothing,
            Ok(Some(version)) => {
                operator.telemetry.wrote_status("written");
                let kernel = &preflight.spec.kernel_version;
                let name = preflight.metadata.name.as_deref().unwrap_or_default();
                let news = news(name, kernel, self.written.as_ref(), &status);
                for news in news {
                    tell(operator, preflight, news);
                }
                self.version = version.parse().ok();
                self.standing = Some(status.clone());
                self.written = Some(status);
                Wrote::Status
            }
            Err(why) => failed(operator, preflight, &why),
        }
    }

    /// The version of the object that was written; `None` where the installed schema has no room for what differs, or
    /// the preflight is gone.
    async fn put(
        &self,
        operator: &Operator,
        preflight: &PreflightValidationOCP,
        status: &PreflightStatus,
    ) -> Result<Option<String>, CallError> {
        let schema = operator.schemas.current().await?;
        let value = fit(status, &schema);
        if self.stands_already(&value, &schema) {
            return Ok(None);
        }
        match write_status(&operator.client, preflight, &value, &schema).await? {
            WriteOutcome::Written { resource_version } => Ok(Some(resource_version)),
            WriteOutcome::Gone => Ok(None),
        }
    }

    /// Whether what differs from what stands there has no room in the installed schema.
    fn stands_already(&self, value: &Fitting<'_>, schema: &InstalledSchema) -> bool {
        let standing = self.standing.as_ref().filter(|_| !schema.takes_everything());
        standing.is_some_and(|standing| fit(standing, schema) == *value)
    }

    /// Somebody else has made that of the status.
    fn stands(&mut self, status: Option<PreflightStatus>) {
        self.standing = status;
    }

    /// Looks whether what stands there is what was written. What somebody else wrote is told of, and written over.
    pub(super) async fn notice(&mut self, operator: &Operator, preflight: &PreflightValidationOCP) {
        let seen = version(preflight);
        if seen <= self.version {
            return;
        }
        self.version = seen;
        if preflight.status == self.standing {
            return;
        }
        let Ok(schema) = operator.schemas.current().await else {
            return;
        };
        let fitting = |status| fit(status, &schema);
        if preflight.status.as_ref().map(fitting) == self.standing.as_ref().map(fitting) {
            return;
        }
        self.stands(preflight.status.clone());
        let managers = foreign_managers(&preflight.metadata);
        if !managers.is_empty() {
            operator.telemetry.saw_foreign_write();
            let note = foreign(&managers.into_iter().collect::<Vec<_>>());
            self.contested = Some((note.clone(), (operator.clock)() + STAYS_CONTESTED));
            tell(operator, preflight, of_foreign(note));
        }
    }
}

fn foreign(managers: &[String]) -> String {
    format!(
        "somebody else writes this status ({}): KMM's own preflight controllers and kmm-preflight must not both be at work; \
         see \"Living with KMM\" in the administrator's guide",
        managers.join(", ")
    )
}

fn of_foreign(note: String) -> News {
    News {
        module: None,
        job: None,
        warns: true,
        reason: "ForeignStatus",
        note,
    }
}

fn failed(operator: &Operator, preflight: &PreflightValidationOCP, why: &CallError) -> Wrote {
    let name = preflight.metadata.name.as_deref().unwrap_or_default();
    warn!("the status of the preflight {name} could not be written, and will be tried again: {why}");
    operator
        .telemetry
        .wrote_status(if why.is_transient() { "failed" } else { "refused" });
    if !why.is_transient() {
        operator.schemas.doubt();
    }
    Wrote::Failed(PAUSE)
}

/// Hands news to those who publish them; where too many wait already, the status still says it.
pub(super) fn tell(operator: &Operator, preflight: &PreflightValidationOCP, news: News) {
    match news.module {
        None => publish(operator, preflight.object_ref(&()), news),
        Some(_) => tell_of_module(operator, news),
    }
}

/// The same for news of a Module, as long as that is there.
pub(super) fn tell_of_module(operator: &Operator, news: News) {
    let module = news.module.as_ref().and_then(|name| operator.module(name));
    if let Some(module) = module {
        publish(operator, module.object_ref(&()), news);
    }
}

fn publish(operator: &Operator, on: ObjectReference, news: News) {
    let notice = Notice {
        weight: if news.warns { Weight::Warning } else { Weight::Normal },
        reason: news.reason,
        action: "Validate",
        note: news.note,
        related: news.job.map(|job| Box::new(reference(job))),
    };
    let _ = operator.notices.try_send((on, notice));
}

/// A Job, as Events name it.
fn reference((namespace, name): ObjectName) -> ObjectReference {
    ObjectReference {
        api_version: Some(Job::API_VERSION.to_owned()),
        kind: Some(Job::KIND.to_owned()),
        namespace: Some(namespace),
        name: Some(name),
        ..ObjectReference::default()
    }
}

/// Versions are numbers that grow, as Kubernetes has promised since 1.35 and etcd has always done.
fn version(preflight: &PreflightValidationOCP) -> Option<u64> {
    preflight.metadata.resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use kube::core::ObjectMeta;

    use super::*;
    use crate::api::PreflightValidationOCPSpec;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    /// A preflight whose status has a condition of this type.
    fn saying(type_: &str) -> PreflightValidationOCP {
        let condition = Condition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: "Because".to_owned(),
            message: "somebody else writes this status (manager)".to_owned(),
            last_transition_time: Time(second(0)),
            observed_generation: None,
        };
        PreflightValidationOCP {
            metadata: ObjectMeta::default(),
            spec: PreflightValidationOCPSpec::default(),
            status: Some(PreflightStatus {
                conditions: vec![condition],
                ..PreflightStatus::default()
            }),
        }
    }

    #[test]
    fn who_takes_over_goes_on_saying_that_somebody_else_writes_but_not_for_ever() {
        let scribe = Scribe::new(&saying(CONTESTED), second(100));
        let until = second(100) + STAYS_CONTESTED;
        let (said, tells_until) = scribe.contested(second(100)).unwrap();
        assert!(said.contains("(manager)") && tells_until == until);
        assert_eq!(scribe.contested(until), None);
        assert_eq!(
            Scribe::new(&saying("Complete"), second(100)).contested(second(100)),
            None
        );
    }

    #[test]
    fn what_somebody_else_made_of_the_status_is_written_over_and_is_no_news() {
        let mut scribe = Scribe::new(&saying("Complete"), second(0));
        let written = scribe.written().cloned();
        scribe.stands(Some(PreflightStatus::default()));
        assert_eq!(scribe.written(), written.as_ref());
        assert_ne!(scribe.standing, written, "it differs, and is written again");
    }
}
