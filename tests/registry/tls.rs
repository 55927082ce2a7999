//! TLS: whose certificates are trusted, and what is said when they are not.

use LookFailureKind::Unreachable;

use crate::support::fake_registry::{FakeRegistry, Kind};
use crate::*;

pub(crate) fn any_certificate() -> RegistryTls {
    RegistryTls {
        insecure: false,
        insecure_skip_tls_verify: true,
    }
}

fn verified() -> Access {
    Access::anonymous()
}

fn https(names: &[&str]) -> FakeRegistry {
    let registry = FakeRegistry::setup().https(names).start();
    registry.push("acme/kmod:1", &image());
    registry
}

/// Whether somebody who names this certificate with `--ca-file` gets an answer, or else is refused in these words.
async fn is_answered(registry: &FakeRegistry, certificate: &str, refusal: Option<&str>) {
    let ca = file(certificate);
    let settings = Settings {
        ca_files: vec![ca.path().to_owned()],
        ..settings()
    };
    let sources = Sources::new(Vec::new(), settings).unwrap();
    let found = sources
        .manifest(&reference(registry, "acme/kmod:1"), &verified(), None)
        .await;
    match refusal {
        None => assert!(found.is_ok(), "{found:?}"),
        Some(words) => assert!(found.as_ref().unwrap_err().message.contains(words), "{found:?}"),
    }
}

#[tokio::test]
async fn a_certificate_by_an_unknown_authority_is_refused_with_what_to_do() {
    let registry = https(&["127.0.0.1"]);
    let message = failure(&registry, "acme/kmod:1", &verified(), Unreachable).await;
    assert!(
        message.contains("HOST has a certificate by an authority that is not trusted here"),
        "{message}"
    );
    assert!(message.contains("--ca-file"), "{message}");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_told_by_the_answer_and_nowhere_else() {
    let registry = https(&["127.0.0.1"]);
    let module = format!(
        "apiVersion: kmm.sigs.x-k8s.io/v1beta1\nkind: Module\nmetadata: {{name: a, namespace: b}}\nspec: {{moduleLoader: {{container: \
         {{modprobe: {{moduleName: a}}, kernelMappings: [{{regexp: ., containerImage: '{}'}}]}}}}}}\n",
        registry.reference("acme/kmod:1")
    );
    let file = file(&module);
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_kmm-preflight"))
        .args(["check", "--kernel-version", "6.1.0-18-amd64", "--no-cache", "-f"])
        .arg(file.path())
        .output();
    let output = output.await.unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(out.contains("by an authority that is not trusted here"), "{out}");
    assert_eq!(err, "");
}

#[tokio::test]
async fn a_ca_file_makes_it_trusted_and_only_under_its_names() {
    let rows = [
        (["127.0.0.1"], None),
        (["other.example"], Some("has a certificate for another name")),
    ];
    for (names, refusal) in rows {
        let registry = https(&names);
        is_answered(&registry, &registry.certificate(), refusal).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_trusted_where_it_stands_in_a_ca_file() {
    let rows = [
        (["127.0.0.1"], true, None),
        (["127.0.0.1"], false, Some("name that very certificate with --ca-file")),
        (["other.example"], true, Some("has a certificate for another name")),
    ];
    for (names, is_named, refusal) in rows {
        let registry = FakeRegistry::setup().https_as_an_authority(&names).start();
        registry.push("acme/kmod:1", &image());
        let stranger = https(&["stranger.example"]);
        let named = if is_named { &registry } else { &stranger };
        is_answered(&registry, &named.certificate(), refusal).await;
    }
}

#[tokio::test]
async fn any_certificate_will_do_where_the_module_says_so() {
    let registry = https(&["other.example"]);
    let access = Access {
        tls: any_certificate(),
        ..Access::anonymous()
    };
    look(&registry, "acme/kmod:1", &access).await.unwrap();
}

#[tokio::test]
async fn a_plain_registry_is_not_asked_unless_the_module_says_so() {
    let registry = FakeRegistry::start();
    let message = failure(&registry, "acme/kmod:1", &verified(), Unreachable).await;
    assert!(
        message.contains("does not speak TLS") && message.contains("registryTLS.insecure"),
        "{message}"
    );
    assert_eq!(registry.total(), 0);
}

#[tokio::test]
async fn insecure_means_tls_where_it_can_be_had() {
    let registry = https(&["127.0.0.1"]);
    let both = RegistryTls {
        insecure: true,
        insecure_skip_tls_verify: true,
    };
    let access = Access {
        tls: both,
        ..Access::anonymous()
    };
    look(&registry, "acme/kmod:1", &access).await.unwrap();
    assert_eq!(registry.count(Kind::Manifest), 1);
}

#[tokio::test]
async fn a_registry_that_was_down_is_not_taken_for_a_plain_one_for_ever() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let tls = RegistryTls {
        insecure: true,
        insecure_skip_tls_verify: true,
    };
    let access = Access {
        tls,
        ..Access::anonymous()
    };
    let sources = Sources::new(
        Vec::new(),
        Settings {
            rest: Duration::ZERO,
            ..settings()
        },
    )
    .unwrap();
    let name = Reference::parse(&format!("{address}/acme/kmod:1")).unwrap();
    assert!(sources.manifest(&name, &access, None).await.is_err());
    let registry = FakeRegistry::setup().https(&["127.0.0.1"]).start_at(address);
    registry.push("acme/kmod:1", &image());
    sources.manifest(&name, &access, None).await.unwrap();
}

#[test]
fn a_ca_file_of_garbage_is_refused_at_once() {
    let garbage = file("no certificate");
    let settings = Settings {
        ca_files: vec![garbage.path().to_owned()],
        ..settings()
    };
    assert!(Sources::new(Vec::new(), settings).is_err());
}
