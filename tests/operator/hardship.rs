//! What happens to clusters: a storage that stalls, and a world that changes while it is looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::stage::{KERNEL, Stage, condition, eventually, is_complete, module, row};

/// A door before a registry: whoever comes while it is shut is not answered.
struct Door {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Door {
    fn before(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let is_open = Arc::new(AtomicBool::new(false));
        let (opened, registry) = (Arc::clone(&is_open), registry.to_owned());
        std::thread::spawn(move || {
            let mut waiting = Vec::new();
            for client in listener.incoming().flatten() {
                if opened.load(Ordering::SeqCst) {
                    lead(client, TcpStream::connect(&registry).expect("the registry"));
                } else {
                    waiting.push(client);
                }
            }
        });
        Self { address, is_open }
    }

    /// From now on, who comes is let through.
    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

/// Copies what either side says to the other until both have ended.
fn lead(client: TcpStream, registry: TcpStream) {
    let both = |stream: &TcpStream| stream.try_clone().expect("another handle");
    for (mut from, mut to) in [(both(&client), both(&registry)), (registry, client)] {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
}

/// Modules that all load `quicknic`, as one text.
fn modules(names: impl IntoIterator<Item = String>, image: &str) -> String {
    names.into_iter().fold(String::new(), |mut all, name| {
        let module = module("a", &name, image).replace(&format!("moduleName: {name}"), "moduleName: quicknic");
        writeln!(all, "{module}---").expect("a String");
        all
    })
}

fn numbered(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("module-{number:03}"))
}

/// Every row's verdict by its Module's name.
fn answers(status: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = status["modules"].as_array().into_iter().flatten();
    rows.map(|row| (text(&row["name"]), text(&row["verificationStatus"])))
        .collect()
}

#[test]
fn an_etcd_that_stalls_for_longer_than_any_deadline_is_waited_for() {
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    let door = Door::before(&stage.registry.host());
    let behind_it = good.replace(&stage.registry.host(), &door.address.to_string());
    stage.apply(&modules(numbered(0..3), &good));
    stage.apply(&modules(["waiting".to_owned()], &behind_it));
    let operator = stage.operator(&[]);
    stage.preflight("upgrade", KERNEL);
    stage.wait_for_status("upgrade", |status| status["summary"] == "3/4");
    assert_eq!(
        row(&stage.status("upgrade"), "waiting")["verificationStatus"],
        "InProgress"
    );

    stage.plane.suspend_etcd().expect("etcd sleeps");
    let gave_up = eventually(|| operator.metric("kmm_preflight_leader ") == Some(0.0));
    assert!(
        gave_up,
        "it still leads, although no Lease can be renewed:\n{}",
        operator.log()
    );
    assert!(
        operator
            .get("/readyz")
            .is_some_and(|answer| answer.starts_with("HTTP/1.1 200")),
        "admission does not need etcd"
    );
    door.open();
    stage.plane.wake_etcd().expect("etcd wakes");

    let status = stage.wait_for_status("upgrade", |status| condition(status, "Verified") == "True");
    assert_eq!(status["summary"], "4/4");
    let judged = operator.metric("kmm_preflight_inspections_total{outcome=\"judged\"}");
    assert_eq!(
        judged,
        Some(4.0),
        "what was verified is not looked at again:\n{}",
        operator.metrics()
    );
}

#[test]
fn two_hundred_modules_may_change_while_two_preflights_run() {
    let Some(stage) = Stage::set() else { return };
    let good = stage.quicknic(KERNEL);
    stage.apply(&modules(numbered(0..200), &good));
    let _operator = stage.operator(&[]);
    stage.preflight("now", KERNEL);
    stage.preflight("next", "6.1.0-99-cloud-amd64");

    let gone: Vec<String> = numbered(0..50).collect();
    let delete = ["delete", "module", "--namespace=a", "--wait=false"];
    stage.kubectl(delete.into_iter().chain(gone.iter().map(String::as_str)));
    stage.apply(&modules(numbered(50..100), &stage.quicknic("no-such-tag")));
    stage.apply(&modules(numbered(200..250), &good));
    // Twice: what counts is what it says in the end.
    stage.apply(&modules(numbered(100..120), &stage.quicknic("no-such-tag")));
    stage.apply(&modules(numbered(100..120), &good));

    let all = |verdict: &str, names: std::ops::Range<usize>| {
        let verdict = verdict.to_owned();
        numbered(names).map(move |name| (name, verdict.clone()))
    };
    let now: BTreeMap<_, _> = all("Failure", 50..100).chain(all("Success", 100..250)).collect();
    let next: BTreeMap<_, _> = all("Failure", 50..250).collect();
    for (name, expected) in [("now", now), ("next", next)] {
        let status = stage.wait_for_status(name, |status| is_complete(status) && answers(status) == expected);
        let verified = expected.values().filter(|verdict| *verdict == "Success").count();
        assert_eq!(status["summary"], format!("{verified}/200"));
    }
}
