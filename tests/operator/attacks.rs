//! What somebody tries who may write Modules in one namespace, or who runs a registry; and that nobody gains by it.

use std::io::ErrorKind;
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::evidence::{self, DISCOVERY, NEEDED, has_failed, is_verified};
use crate::stage::{KERNEL, Operator, Stage, module, row};
use crate::support::fake_image::FakeImage;
use crate::support::fake_registry::{Asks, FakeRegistry, Kind, Trick};

const USER: &str = "robot";
const PASSWORD: &str = "canary-of-a-password";

/// A Module that names a pull secret.
fn module_with_secret(namespace: &str, name: &str, image: &str, secret: &str) -> String {
    let named = format!("  selector: {{}}\n  imageRepoSecret: {{name: '{secret}'}}\n");
    module(namespace, name, image).replace("  selector: {}\n", &named)
}

/// A registry whose images only the robot may read.
fn guarded() -> FakeRegistry {
    let registry = FakeRegistry::setup().asks(Asks::Basic).login(USER, PASSWORD).start();
    registry.push("acme/kmod:1", &FakeImage::new());
    registry
}

/// A registry behind TLS that wants tokens of the service at this address.
fn over_tls(realm: &str) -> FakeRegistry {
    let registry = FakeRegistry::setup().asks(Asks::Bearer).realm(realm);
    registry.https(&["127.0.0.1"]).start()
}

impl Stage {
    /// The robot's credentials, in a Secret of a namespace.
    fn login(&self, namespace: &str, name: &str, host: &str) {
        let words = ["create", "secret", "docker-registry", name, "-n", namespace];
        let server = format!("--docker-server={host}");
        let user = format!("--docker-username={USER}");
        let password = format!("--docker-password={PASSWORD}");
        self.kubectl(words.into_iter().chain([server.as_str(), &user, &password]));
    }

    /// The row of a Module whose image was looked at.
    #[track_caller]
    fn looked_at(&self, name: &str) -> Value {
        let status = self.wait_for_status("upgrade", |status| {
            let reason = reason(&row(status, name));
            !reason.is_empty() && !reason.contains("has not been looked at")
        });
        row(&status, name)
    }

    /// Everything that the operator tells anybody.
    fn told(&self, operator: &Operator) -> String {
        let objects = [
            "preflightvalidationocp",
            "events",
            "modules.kmm.sigs.x-k8s.io",
            "leases",
        ]
        .map(|kind| self.kubectl(["get", kind, "-A", "-o", "yaml", "--show-managed-fields"]));
        [objects.join("\n"), operator.log(), operator.metrics()].join("\n")
    }
}

fn reason(row: &Value) -> String {
    row["statusReason"].as_str().unwrap_or_default().to_owned()
}

/// No request here carried credentials.
fn saw_no_credentials(registry: &FakeRegistry) -> bool {
    let requests = registry.requests();
    requests.iter().all(|request| request.authorization.is_none())
}

/// A host that listens and should never be called.
struct Untouched(TcpListener);

impl Untouched {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }

    #[track_caller]
    fn assert(&self) {
        let called = self.0.accept().map(|(_, who)| who).map_err(|error| error.kind());
        assert_eq!(called, Err(ErrorKind::WouldBlock));
    }
}

#[test]
fn a_module_gets_no_secret_of_another_namespace() {
    let Some(stage) = Stage::set() else { return };
    let registry = guarded();
    stage.namespaces(&["victim", "evil"]);
    stage.login("victim", "pull", &registry.host());
    let names = [
        "../../victim/secrets/pull",
        "../victim/secrets/pull",
        "victim/pull",
        "pull",
        "pull?x=%2F",
    ];
    let _operator = stage.operator(&[]);
    for (number, secret) in names.iter().enumerate() {
        let image = registry.reference("acme/kmod:1");
        stage.apply(&module_with_secret("evil", &format!("thief-{number}"), &image, secret));
    }
    stage.preflight("upgrade", KERNEL);
    for number in 0..names.len() {
        let row = stage.looked_at(&format!("thief-{number}"));
        assert!(
            row["digest"].is_null() && row["verificationStatus"] != "Success",
            "{row:#}"
        );
        assert!(reason(&row).contains("does not exist"), "{row:#}");
    }
    assert!(
        registry.total() > 0 && saw_no_credentials(&registry),
        "{:#?}",
        registry.requests()
    );
}

#[test]
fn a_registry_at_a_place_that_is_not_allowed_is_not_asked() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["evil"]);
    let host = Untouched::new();
    let port = host.port();
    let hosts = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("0.0.0.0:{port}"),
        "169.254.169.254".to_owned(),
    ];
    for (number, host) in hosts.iter().enumerate() {
        stage.apply(&module(
            "evil",
            &format!("knock-{number}"),
            &format!("{host}/acme/kmod:1"),
        ));
    }
    let _operator = stage.operator(&["--allow-places", "private"]);
    stage.preflight("upgrade", KERNEL);
    for number in 0..hosts.len() {
        let reason = reason(&stage.looked_at(&format!("knock-{number}")));
        assert!(reason.contains("may not be asked from here"), "{reason}");
    }
    host.assert();
}

#[test]
fn a_registry_that_is_not_on_the_list_is_not_asked() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["evil"]);
    let host = Untouched::new();
    let image = format!("127.0.0.1:{}/acme/kmod:1", host.port());
    stage.apply(&module("evil", "knock", &image));
    let _operator = stage.operator(&["--allow-registries", "*.example.com,quay.io/kmods"]);
    stage.preflight("upgrade", KERNEL);
    let reason = reason(&stage.looked_at("knock"));
    assert!(
        reason.contains("the administrator allows *.example.com, quay.io/kmods only"),
        "{reason}"
    );
    host.assert();
}

#[test]
fn credentials_of_one_namespace_are_neither_used_for_another_nor_told() {
    let Some(stage) = Stage::set() else { return };
    let registry = guarded();
    let image = registry.reference("acme/kmod:1");
    stage.namespaces(&["b"]);
    stage.login("a", "pull", &registry.host());
    let operator = stage.operator(&[]);
    stage.apply(&module_with_secret("a", "owner", &image, "pull"));
    stage.preflight("upgrade", KERNEL);
    let owner = stage.looked_at("owner");
    assert!(owner["digest"].is_string(), "{owner:#}");
    // What the owner's credentials opened is known by now.
    stage.apply(&module("b", "guest", &image));
    let guest = stage.looked_at("guest");
    assert!(
        guest["digest"].is_null() && guest["verificationStatus"] != "Success",
        "{guest:#}"
    );
    assert!(
        !saw_no_credentials(&registry),
        "the owner's credentials were never used"
    );

    let told = stage.told(&operator);
    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for secret in [PASSWORD, &basic, &STANDARD.encode(PASSWORD)] {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "somebody told a secret");
    }
}

#[test]
fn credentials_follow_a_registry_to_no_other_host() {
    let Some(stage) = Stage::set() else { return };
    let thief = FakeRegistry::start();
    thief.push("acme/kmod:1", &FakeImage::new());
    let realm = format!("{}/token", thief.url());
    let sends_to_realm = over_tls(&realm);
    let sends_to_metadata = over_tls("https://169.254.169.254/latest");
    let redirects = guarded();
    redirects.lie(Kind::Manifest, Trick::Redirect(thief.url()));
    let registries = [
        ("realm", &sends_to_realm),
        ("metadata", &sends_to_metadata),
        ("redirect", &redirects),
    ];
    let authorities = stage.plane.folder().join("registries.pem");
    let certificates = registries.map(|(_, registry)| registry.certificate()).join("\n");
    std::fs::write(&authorities, certificates).expect("a file");
    let _operator = stage.operator(&["--ca-file", &authorities.display().to_string()]);
    for (name, registry) in registries {
        stage.login("a", name, &registry.host());
        let module = module_with_secret("a", name, &registry.reference("acme/kmod:1"), name);
        stage.apply(&module.replace("insecure: true", &format!("insecure: {}", name == "redirect")));
    }
    stage.preflight("upgrade", KERNEL);
    let reasons = registries.map(|(name, _)| reason(&stage.looked_at(name)));
    assert!(reasons[0].contains("not reached over TLS"), "{reasons:#?}");
    assert!(reasons[1].contains("may not be asked from here"), "{reasons:#?}");
    assert_eq!(thief.count(Kind::Token), 0, "{reasons:#?}");
    assert!(saw_no_credentials(&thief), "{:#?}", thief.requests());
}

/// Who stands between the operator and a registry could otherwise have a tenant open the way to what is the cluster's.
#[test]
fn the_clusters_pull_secret_is_shown_only_where_tls_is_not_relaxed() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["platform"]);
    let certified = FakeRegistry::setup()
        .asks(Asks::Basic)
        .login(USER, PASSWORD)
        .https(&["127.0.0.1"])
        .start();
    certified.push("acme/certified:1", &FakeImage::new());
    certified.push("acme/unverified:1", &FakeImage::new());
    let plain = guarded();
    let config = json!({"auths": {
        certified.host(): {"username": USER, "password": PASSWORD},
        plain.host(): {"username": USER, "password": PASSWORD},
    }});
    let config = format!("--from-literal=.dockerconfigjson={config}");
    let kind = "--type=kubernetes.io/dockerconfigjson";
    stage.kubectl(["create", "secret", "generic", "pull", "-n", "platform", kind, &config]);
    let modules = [
        ("certified", certified.reference("acme/certified:1"), "insecure: false"),
        (
            "unverified",
            certified.reference("acme/unverified:1"),
            "insecureSkipTLSVerify: true",
        ),
        ("plain", plain.reference("acme/kmod:1"), "insecure: true"),
    ];
    for (name, image, tls) in &modules {
        stage.apply(&module("a", name, image).replace("insecure: true", tls));
    }
    let authority = stage.plane.folder().join("registry.pem");
    std::fs::write(&authority, certified.certificate()).expect("a file");
    let authority = authority.display().to_string();
    let _operator = stage.operator(&["--cluster-pull-secret", "platform/pull", "--ca-file", &authority]);
    stage.preflight("upgrade", KERNEL);
    let rows = modules.map(|(name, ..)| stage.looked_at(name));
    assert!(rows[0]["digest"].is_string(), "{rows:#?}");
    for row in &rows[1..] {
        assert!(row["digest"].is_null(), "{row:#}");
        assert!(
            reason(row).contains("the cluster's pull secret is not used where registryTLS"),
            "{row:#}"
        );
    }
    assert!(saw_no_credentials(&plain), "{:#?}", plain.requests());
    let unverified = certified
        .requests()
        .into_iter()
        .filter(|request| request.target.contains("unverified"));
    assert!(unverified.into_iter().all(|request| request.authorization.is_none()));
}

#[test]
fn what_a_hostile_host_answers_is_never_shown() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["evil"]);
    let host = FakeRegistry::start();
    let answers = [
        ("html-403", 403, "text/html", "<html>canary</html>"),
        ("json-401", 401, "application/json", r#"{"AccessKeyId":"canary"}"#),
        ("json-200", 200, "application/json", r#"{"AccessKeyId":"canary"}"#),
        ("text-500", 500, "text/plain", "canary"),
        ("json-404", 404, "application/json", r#"{"message":"canary"}"#),
    ];
    for (name, status, kind, body) in answers {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let answer = Trick::Status(status, headers, body.to_owned());
        host.lie_about(Kind::Manifest, name, usize::MAX, answer);
        stage.apply(&module("evil", name, &host.reference(&format!("acme/{name}:1"))));
    }
    let paint = Trick::error(403, "DENIED", "\u{1b}[31mred\u{7}\r\nSTATUS: fine \u{202e}");
    host.lie_about(Kind::Manifest, "paint", usize::MAX, paint);
    stage.apply(&module("evil", "paint", &host.reference("acme/paint:1")));
    let operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    for (name, ..) in answers {
        let row = stage.looked_at(name);
        assert!(
            row["verificationStatus"] != "Success" && !row.to_string().contains("canary"),
            "{row:#}"
        );
    }
    let painted = reason(&stage.looked_at("paint"));
    let visible = |c: char| !c.is_control() && c != '\u{202e}';
    assert!(painted.chars().all(visible), "{painted:?}");
    assert!(!stage.told(&operator).contains("canary"));
}

#[test]
fn the_plain_port_tells_health_and_metrics_and_nothing_else() {
    let Some(stage) = Stage::set() else { return };
    let registry = guarded();
    stage.login("a", "pull", &registry.host());
    stage.apply(&module_with_secret(
        "a",
        "owner",
        &registry.reference("acme/kmod:1"),
        "pull",
    ));
    let operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.looked_at("owner");
    let metrics = operator.metrics();
    assert!(
        metrics.starts_with("HTTP/1.1 200") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    for private in [PASSWORD, USER, &registry.host(), "acme/kmod"] {
        assert!(!metrics.contains(private), "{private}:\n{metrics}");
    }
    for path in [
        "/",
        "/debug/pprof/",
        "/config",
        "/metrics/",
        "/../etc/passwd",
        "/validate/preflightvalidationocp",
    ] {
        let answer = operator.get(path).unwrap_or_default();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

#[test]
fn nobody_but_node_feature_discovery_itself_says_what_a_node_has_loaded() {
    let Some(stage) = Stage::set() else { return };
    stage.namespaces(&["evil"]);
    stage.install_discovery();
    stage.push_raidmesh(&[(KERNEL, false)]);
    stage.node("n1", "storage");
    // Of a node of which nothing is said yet, somebody says that it has everything.
    stage.feature(("evil", "n1"), "n1", &[NEEDED]);
    let _operator = stage.asked_of_raidmesh(&[]);
    let status = stage.wait_for_status("upgrade", has_failed);
    assert!(
        !evidence::reason(&status).contains("Node Feature Discovery"),
        "{status:#}"
    );
    // Of one of which something is said, somebody says that it has nothing; in Node Feature Discovery's own namespace, too, where others
    // may write of a node under names of their own.
    stage.feature(("evil", "n1"), "n1", &[]);
    stage.feature((DISCOVERY, "extension"), "n1", &[]);
    stage.discovered("n1", &[NEEDED]);
    stage.wait_for_status("upgrade", is_verified);
    stage.feature((DISCOVERY, "extension"), "n1", &[NEEDED]);
    stage.discovered("n1", &["dm_mod"]);
    stage.wait_for_status("upgrade", has_failed);
}
