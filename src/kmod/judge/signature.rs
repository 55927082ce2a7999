//! The signature, which the kernel looks at before anything else (`kernel/module/signing.c: module_sig_check`).

use super::algorithms::obstacle;
use super::kernel::Kernel;
use super::version::Forcing;
use crate::api::{Finding, Rule};
use crate::kmod::facts::{ModuleContent, Pkcs7Signature, Signature};
use crate::kmod::load::{Enforcement, SignaturePolicy};
use crate::kmod::signature::SignatureCheck;

/// What the kernel says of a signature. A module of which it is told to ignore something it takes for unsigned, since
/// that is not what was signed; one that modprobe changes itself it verifies, and finds changed.
pub(super) fn check(
    content: &ModuleContent,
    forcing: Forcing,
    policy: &SignaturePolicy,
    kernel: &Kernel<'_>,
) -> Option<Finding> {
    if kernel.option("MODULE_SIG") == Some(false) {
        return unverifiable(policy, kernel);
    }
    let enforced = why_enforced(policy, kernel);
    match &content.signature {
        Signature::Absent => enforced.map(|why| missing("the module is not signed", &why)),
        _ if forcing.force.any() && !forcing.in_the_file => {
            enforced.map(|why| missing("a module that is forced counts as unsigned", &why))
        }
        Signature::Malformed(how) => Some(malformed(how, kernel)),
        Signature::Unsupported(how) => {
            enforced.map(|why| unsupported(&format!("the signature cannot be checked: {how}"), &why))
        }
        Signature::Pkcs7(signature) => match obstacle(signature, policy, kernel) {
            Some(how) => enforced.map(|why| unsupported(&format!("signed by {}, but {how}", signature.signer), &why)),
            None if is_changed(content, forcing, kernel) => changed(signature, enforced, policy),
            None => verify(signature, enforced, policy),
        },
    }
}

/// Whether modprobe finds something in the file to take out.
fn is_changed(content: &ModuleContent, forcing: Forcing, kernel: &Kernel<'_>) -> bool {
    let force = forcing.force;
    content.seen_by(kernel.era()).is_ok_and(|elf| {
        let loses_versions = force.versions && elf.versions.basic.is_some();
        let loses_vermagic = force.vermagic && elf.info("vermagic").is_some();
        forcing.in_the_file && (loses_versions || loses_vermagic)
    })
}

/// The signature of a file that modprobe changes: `-EKEYREJECTED` where the kernel knows the signer, `-ENOKEY` where not.
fn changed(signature: &Pkcs7Signature, enforced: Option<String>, policy: &SignaturePolicy) -> Option<Finding> {
    const MEND: &str = "modprobe changes the packed module that it forces, and its signature no longer fits; unpack the file, or \
                        do not force";
    let mut trusted = policy.trusted.iter();
    let is_trusted = trusted.any(|certificate| certificate.signed(signature) != SignatureCheck::OtherSigner);
    let why = match enforced {
        _ if is_trusted => {
            "the kernel knows the signer and refuses it even where signatures are not enforced".to_owned()
        }
        Some(why) => format!("signatures are enforced ({why})"),
        None => return None,
    };
    Some(Finding::decides(
        Rule::SignatureMismatch,
        format!("signed by {}, but {MEND}; {why}", signature.signer),
    ))
}

/// Options that make a kernel insist on signatures whatever its command line says: the first by itself, the others by
/// locking the kernel down (`security_locked_down(LOCKDOWN_MODULE_SIGNATURE)`).
const ENFORCING: [&str; 3] = [
    "MODULE_SIG_FORCE",
    "LOCK_DOWN_KERNEL_FORCE_INTEGRITY",
    "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",
];

fn why_enforced(policy: &SignaturePolicy, kernel: &Kernel<'_>) -> Option<String> {
    match policy.enforced {
        Some(Enforcement::SignSection) => Some("the Module has a sign section".to_owned()),
        Some(Enforcement::Asked) => Some("as was asked".to_owned()),
        None => {
            let option = ENFORCING.iter().find(|option| kernel.option(option) == Some(true))?;
            Some(format!("{} has CONFIG_{option}", kernel.release))
        }
    }
}

/// `-EBADMSG`, `-EKEYREJECTED` and others, which count whether signatures are enforced or not.
fn malformed(how: &str, kernel: &Kernel<'_>) -> Finding {
    let assumed = match kernel.option("MODULE_SIG") {
        Some(_) => "",
        None => " (assumed: CONFIG_MODULE_SIG, without which no kernel would look)",
    };
    Finding::decides(
        Rule::SignatureMalformed,
        format!(
            "the file ends with the mark of a signature, but what stands before it is none ({how}); the kernel refuses \
             it even where signatures are not enforced{assumed}; sign it again, or strip it"
        ),
    )
}

/// `-ENODATA`.
fn missing(what: &str, why: &str) -> Finding {
    Finding::decides(
        Rule::SignatureMissing,
        format!(
            "{what}, and signatures are enforced ({why}); sign it (a sign section signs what its filesToSign name)"
        ),
    )
}

/// Without a certificate that signed it: `-ENOKEY`, refused where enforced. With one: `-EKEYREJECTED`, always.
fn verify(signature: &Pkcs7Signature, enforced: Option<String>, policy: &SignaturePolicy) -> Option<Finding> {
    let signer = &signature.signer;
    if policy.trusted.is_empty() {
        return enforced.map(|_| {
            let message = format!("signed by {signer}; not verified: no trusted certificate is known here");
            Finding::informs(Rule::SignaturePresent, message)
        });
    }
    let checks: Vec<SignatureCheck> = policy
        .trusted
        .iter()
        .map(|certificate| certificate.signed(signature))
        .collect();
    if checks.iter().any(|check| matches!(check, SignatureCheck::Good)) {
        return Some(Finding::informs(
            Rule::SignatureGood,
            format!("signed by {signer}, and the signature is good"),
        ));
    }
    if let Some(how) = checks.iter().find_map(mismatch) {
        return Some(Finding::decides(
            Rule::SignatureMismatch,
            format!(
                "the signature by {signer} does not fit the file ({how}): it was altered after signing, for instance \
                 stripped; the kernel refuses it even where signatures are not enforced; sign last"
            ),
        ));
    }
    if let Some(algorithm) = checks.iter().find_map(unverified) {
        return Some(unverifiable_here(signer, algorithm));
    }
    let by = format!("the signature is by {signer}, and none of the trusted certificates is of that signer");
    enforced.map(|why| untrusted(&by, &why))
}

/// `-ENOPKG`; or `-ENOKEY`, where the kernel left out a key that it cannot use.
fn unsupported(what: &str, why: &str) -> Finding {
    Finding::decides(
        Rule::SignatureUnsupported,
        format!(
            "{what}; signatures are enforced ({why}); sign it with an RSA key and SHA-256, which every kernel verifies"
        ),
    )
}

/// `-ENOKEY`.
fn untrusted(what: &str, why: &str) -> Finding {
    Finding::decides(
        Rule::SignatureUntrusted,
        format!(
            "{what}; signatures are enforced ({why}); sign it with the trusted key, or enrol its certificate on the nodes"
        ),
    )
}

fn mismatch(check: &SignatureCheck) -> Option<&str> {
    match check {
        SignatureCheck::Mismatch(how) => Some(how),
        _ => None,
    }
}

fn unverified(check: &SignatureCheck) -> Option<&str> {
    match check {
        SignatureCheck::UnsupportedAlgorithm(algorithm) => Some(algorithm),
        _ => None,
    }
}

/// A trusted key and an algorithm that kernels may verify, and that the library at hand does not.
fn unverifiable_here(signer: &str, algorithm: &str) -> Finding {
    let message = format!(
        "whether the signature by {signer}, who is trusted, fits the file: {algorithm}; kernels that have the algorithm \
         verify it, and refuse a file that was altered; verify it on a node, or sign with an RSA key and SHA-256"
    );
    Finding::informs(Rule::NotChecked, message)
}

/// Without `CONFIG_MODULE_SIG` the kernel looks at no signature.
fn unverifiable(policy: &SignaturePolicy, kernel: &Kernel<'_>) -> Option<Finding> {
    policy.enforced.map(|_| {
        let message = format!("{} has no CONFIG_MODULE_SIG: it looks at no signature", kernel.release);
        Finding::informs(Rule::NotChecked, message)
    })
}
