use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;

/// What KMM's webhook, or ours of another day, may have admitted.
const REFUSED_TODAY: &str = "5.14.0-427;rm -rf /";

fn stored(kernel: &str) -> PreflightValidationOCP {
    let mut stored = preflight(kernel);
    stored.spec.push_built_image = None;
    stored
}

#[test]
fn an_update_that_leaves_the_spec_as_it_is_is_always_admitted() {
    let old = stored(REFUSED_TODAY);
    let mut new = old.clone();
    new.metadata.labels = Some(BTreeMap::from([("team".to_owned(), "edge".to_owned())]));
    new.metadata.finalizers = Some(Vec::new());
    let before = new.clone();
    apply_defaults_on_update(&old, &mut new, &cluster([]));
    assert_eq!(new, before, "it is not even defaulted");
    assert_eq!(admit_update(&old, &new, &cluster([])), Admission::default());
}

/// A mutating webhook that does not know of updates, or KMM's CRD with defaults, may fill them in with any update.
#[test]
fn defaults_that_come_with_an_update_do_not_make_another_question() {
    let old = stored(KERNEL);
    let mut around = cluster([built("nic", "with-dtk")]);
    around.toolkits = toolkits([(KERNEL, TOOLKIT)]);
    let mut new = old.clone();
    apply_defaults(&mut new, &around);
    assert_ne!(new.spec, old.spec);
    assert_eq!(admit_update(&old, &new, &around), Admission::default());
    let old = stored(REFUSED_TODAY);
    let mut new = old.clone();
    apply_defaults(&mut new, &around);
    assert_eq!(admit_update(&old, &new, &around), Admission::default());
}

#[test]
fn an_object_that_is_being_deleted_is_let_go() {
    let mut old = stored(KERNEL);
    old.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    let mut new = old.clone();
    new.spec.kernel_version = REFUSED_TODAY.to_owned();
    assert_eq!(admit_update(&old, &new, &cluster([])), Admission::default());
}

/// Only the stored object says whether it is being deleted: the new one is whatever its author sends.
#[test]
fn an_author_who_claims_a_deletion_is_not_believed() {
    let old = stored(KERNEL);
    let mut new = preflight(REFUSED_TODAY);
    new.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    assert_eq!(admit_update(&old, &new, &cluster([])).errors.len(), 1);
}

/// "wp-9": another spec is another question, by the rules of a new object.
#[test]
fn another_spec_is_judged_as_a_new_object_is() {
    let around = cluster([built("nic", "with-dtk")]);
    let olds = [stored(KERNEL), stored(REFUSED_TODAY), with_toolkit(KERNEL, TOOLKIT)];
    let news = [
        preflight("6.12.0-55.el10.x86_64"),
        preflight("6.12.0 55"),
        with_toolkit("6.12.0-55.el10.x86_64", "r.example.com/dtk:1"),
        with_toolkit(KERNEL, ""),
    ];
    for old in &olds {
        for new in &news {
            assert_eq!(admit_update(old, new, &around), admit_create(new, &around), "{new:?}");
        }
    }
}

#[test]
fn a_spec_that_changes_is_defaulted_as_a_new_object_is() {
    let mut around = cluster([built("nic", "with-dtk")]);
    around.toolkits = toolkits([("6.12.0-55.el10.x86_64", TOOLKIT)]);
    let mut new = stored("6.12.0-55.el10.x86_64");
    apply_defaults_on_update(&stored(KERNEL), &mut new, &around);
    assert_eq!(new.spec.push_built_image, Some(false));
    assert_eq!(new.spec.dtk_image.as_deref(), Some(TOOLKIT));
}

#[test]
fn who_mends_a_refused_object_is_admitted() {
    let admission = admit_update(&stored(REFUSED_TODAY), &preflight(KERNEL), &Surroundings::default());
    assert_eq!(admission, Admission::default());
}
