//! Which answer a request gets. What is right and wrong in a preflight is decided in [`crate::validate`].

use json_patch::Patch;
use serde_json::json;

use super::reply::{Answer, PREFLIGHT};
use super::request::{NotAReview, Object, Operation, Request};
use crate::api::{FieldError, GROUP, PreflightValidationOCP};
use crate::plan::Surroundings;
use crate::validate::preflight::{Admission, admit_create, admit_update, apply_defaults, apply_defaults_on_update};

/// The version of the preflights that are admitted here. The API server converts others to it before it asks
/// (`matchPolicy: Equivalent`).
const VERSION: &str = "v1beta2";

/// What is asked of the webhook: one endpoint each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Fill in what the user left out, if nothing is wrong with the rest.
    Mutate,
    /// Say what is wrong.
    Validate,
}

/// The answer to the review in a body.
///
/// # Errors
/// [`NotAReview`], where the body is none that could be answered.
pub fn answer(body: &[u8], endpoint: Endpoint, around: &Surroundings) -> Result<Answer, NotAReview> {
    let request = Request::read(body)?;
    Ok(untouched(&request)
        .or_else(|| misdirected(&request))
        .unwrap_or_else(|| judged(&request, endpoint, around)))
}

/// What passes without a look at the spec: deletions, even of what is no preflight (a webhook that was told to see
/// them must not block them); subresources, which leave the spec alone; updates that leave it alone too (finalizers,
/// labels) or concern what is being deleted, also of objects that today's rules would refuse.
fn untouched(request: &Request<'_>) -> Option<Answer> {
    let passes = match request.operation {
        Operation::Delete => true,
        Operation::Create | Operation::Update if !is_preflight(request) => false,
        Operation::Create => is_subresource(request),
        Operation::Update => is_subresource(request) || asks_nothing_new(request),
        Operation::Connect | Operation::Other => false,
    };
    passes.then(|| Answer::allowed(&request.uid, request.operation, Vec::new()))
}

fn is_preflight(request: &Request<'_>) -> bool {
    let kind = &request.kind;
    kind.group == GROUP && kind.version == VERSION && kind.kind == PREFLIGHT
}

fn is_subresource(request: &Request<'_>) -> bool {
    request.sub_resource.as_ref().is_some_and(|name| !name.is_empty())
}

fn asks_nothing_new(request: &Request<'_>) -> bool {
    let (Some(new), Some(old)) = (&request.object, &request.old_object) else {
        return false;
    };
    old.is_being_deleted() || new.asks_the_same_as(old)
}

/// What comes here by a wrong configuration of the webhook.
fn misdirected(request: &Request<'_>) -> Option<Answer> {
    let kind = &request.kind;
    let message = if !is_preflight(request) {
        format!(
            "this webhook judges {PREFLIGHT} of {GROUP}/{VERSION}, not {:?} of {:?}; mend the rules of its configuration",
            kind.kind,
            format!("{}/{}", kind.group, kind.version),
        )
    } else if !matches!(request.operation, Operation::Create | Operation::Update) {
        "this webhook judges CREATE and UPDATE; mend the operations in the rules of its configuration".to_owned()
    } else if request.object.is_none() {
        "the request has no object that could be judged".to_owned()
    } else {
        return None;
    };
    Some(Answer::misdirected(&request.uid, request.operation, &message))
}

fn judged(request: &Request<'_>, endpoint: Endpoint, around: &Surroundings) -> Answer {
    let object = request.object.as_ref().map(Object::preflight);
    match (object, endpoint) {
        (Some(Ok(new)), Endpoint::Mutate) => mutated(request, &new, around),
        (Some(Ok(new)), Endpoint::Validate) => validated(request, &new, around),
        (Some(Err(error)), _) => refused(request, &[error]),
        (None, _) => refused(request, &[]),
    }
}

fn refused(request: &Request<'_>, errors: &[FieldError]) -> Answer {
    Answer::invalid(&request.uid, request.operation, request.name(), errors)
}

fn mutated(request: &Request<'_>, new: &PreflightValidationOCP, around: &Surroundings) -> Answer {
    let mut filled = new.clone();
    match stored(request) {
        Some(old) => apply_defaults_on_update(&old, &mut filled, around),
        None => apply_defaults(&mut filled, around),
    }
    // Between the two endpoints the API server holds the object against its schema, whose rule for kernel versions is
    // coarse and stops at the first mistake. Refused here already, an object hears of all its mistakes.
    let errors = admission(request, &filled, around).errors;
    if !errors.is_empty() {
        return refused(request, &errors);
    }
    Answer::patched(&request.uid, request.operation, &difference(new, &filled))
}

/// The changes to the spec. Both sides were read by the same type, so a field that the type does not have is in
/// neither and stays.
fn difference(before: &PreflightValidationOCP, after: &PreflightValidationOCP) -> Patch {
    if before.spec == after.spec {
        return Patch::default();
    }
    json_patch::diff(&json!({"spec": before.spec}), &json!({"spec": after.spec}))
}

fn validated(request: &Request<'_>, new: &PreflightValidationOCP, around: &Surroundings) -> Answer {
    let Admission { errors, warnings } = admission(request, new, around);
    if errors.is_empty() {
        Answer::allowed(&request.uid, request.operation, warnings)
    } else {
        refused(request, &errors).warn(warnings)
    }
}

fn admission(request: &Request<'_>, new: &PreflightValidationOCP, around: &Surroundings) -> Admission {
    match stored(request) {
        Some(old) => admit_update(&old, new, around),
        None => admit_create(new, around),
    }
}

/// The object as it is stored. One that no longer fits its type is no measure for the new one.
fn stored(request: &Request<'_>) -> Option<PreflightValidationOCP> {
    let old = request.old_object.as_ref();
    old.filter(|_| request.operation == Operation::Update)?.preflight().ok()
}
