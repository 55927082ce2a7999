//! What the documents and the user say of signatures: who insists on them, and whose are trusted.

use k8s_openapi::api::core::v1::Secret;

use super::Question;
use crate::examine::certificate;
use crate::kmod::load::{Enforcement, SignaturePolicy};
use crate::kmod::signature::Certificate;
use crate::plan::{Subject, Target};

impl Question {
    /// What is known of signatures where a target loads. A Module with a sign section is judged as if signatures were
    /// enforced, by the certificate of that section where its Secret is among the documents.
    pub fn signatures(&self, target: &Target) -> SignaturePolicy {
        let asked = self.options.enforce_signatures.then_some(Enforcement::Asked);
        let mut trusted = self.options.trusted_certificates.clone();
        trusted.extend(self.certificate_of(target).and_then(Result::ok));
        SignaturePolicy {
            enforced: target.sign.as_ref().map(|_| Enforcement::SignSection).or(asked),
            trusted,
        }
    }

    /// What is wrong with the certificates of sign sections, a sentence each.
    pub fn certificate_problems(&self) -> Vec<String> {
        let subjects = self.modules.iter().map(|module| Subject::resolve(module, &self.kernel));
        subjects
            .filter_map(|subject| self.certificate_of(subject.target()?)?.err())
            .collect()
    }

    fn certificate_of(&self, target: &Target) -> Option<Result<Certificate, String>> {
        let name = &target.sign.as_ref()?.cert_secret.name;
        let is_it = |secret: &&Secret| {
            let metadata = &secret.metadata;
            metadata.namespace.as_deref() == Some(&target.namespace) && metadata.name.as_ref() == Some(name)
        };
        certificate(self.secrets.iter().find(is_it)?)
    }
}
