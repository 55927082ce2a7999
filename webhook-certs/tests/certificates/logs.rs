//! What is logged, and what never is.

use crate::fake_api::{FakeApi, Mood, SECRET};
use crate::files::{foreign, mount};
use crate::keeper::keeper;
use crate::tls::MovedClock;
use serde_json::json;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tracing::subscriber::{DefaultGuard, set_default};
use webhook_certs::{MountedFiles, PassError};

/// Everything that is logged on this thread while the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        (log, set_default(subscriber.finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().map_err(|_poisoned| io::Error::other("poisoned"))?;
        log.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The start of a private key as the API transports it.
fn looks_like_a_key(text: &str) -> bool {
    let encoded = serde_json::to_string(&k8s_openapi::ByteString(b"-----BEGIN PRIVATE KEY".to_vec())).unwrap();
    text.contains("PRIVATE KEY") || text.contains(&encoded.trim_matches('"')[..24])
}

#[tokio::test]
async fn no_private_key_is_ever_logged_not_even_from_answers_that_cannot_be_read() {
    let (log, _guard) = Log::start();
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    keeper.pass().await.unwrap();
    let secret = api.get(SECRET).unwrap();
    assert!(
        looks_like_a_key(&secret.to_string()),
        "the check finds a key where there is one"
    );
    api.world().mood = Mood::CutsAnswers;
    let unreadable = keeper.pass().await.unwrap_err();
    assert!(matches!(unreadable, PassError::Answer { .. }));
    api.world().mood = Mood::Well;
    let mut damaged = secret.clone();
    damaged["data"]["tls.crt"] = secret["data"]["tls.key"].clone();
    api.put(SECRET, damaged);
    keeper.pass().await.unwrap();
    let told = format!("{}{unreadable:?}{unreadable}{:?}", log.text(), keeper.resolver());
    assert!(
        told.contains("renewing the serving certificate: it is damaged"),
        "{told}"
    );
    assert!(!looks_like_a_key(&told), "{told}");
}

#[tokio::test]
async fn a_renewal_is_one_line_and_a_lost_race_no_warning() {
    let (api, clock) = (FakeApi::default().with_configurations(), MovedClock::start());
    let mut keeper = keeper(&api, &clock);
    keeper.pass().await.unwrap();
    clock.advance_days(21);
    let mut touched = api.get(SECRET).unwrap();
    touched["metadata"]["labels"] = json!({"touched": "yes"});
    api.world().intruder = Some((SECRET, touched));
    let (log, _guard) = Log::start();
    keeper.pass().await.unwrap();
    let text = log.text();
    let ours = |level: &str| {
        text.lines()
            .filter(|line| line.contains(level) && line.contains("webhook_certs"))
            .count()
    };
    assert_eq!((ours("ERROR"), ours("WARN")), (0, 0), "{text}");
    assert_eq!(
        text.matches("renewing the serving certificate: it is due").count(),
        2,
        "lost (debug), won (info)"
    );
}

#[tokio::test(start_paused = true)]
async fn files_that_stay_broken_are_told_once() {
    let (log, _guard) = Log::start();
    let (folder, clock) = (TempDir::new().unwrap(), MovedClock::start());
    let (one, two) = (foreign(&clock).await, foreign(&clock).await);
    mount(folder.path(), "..1", &one.chain, &two.key);
    let files = MountedFiles::new(folder.path());
    let mut states = files.resolver().states();
    tokio::spawn(files.run());
    sleep(Duration::from_mins(2)).await;
    assert_eq!(
        log.text().matches("does not fit its private key").count(),
        1,
        "{}",
        log.text()
    );
    mount(folder.path(), "..2", &one.chain, &one.key);
    timeout(Duration::from_secs(30), states.changed())
        .await
        .expect("within a few looks")
        .unwrap();
}
