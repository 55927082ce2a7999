//! A process without file descriptors left: it must not spin, and must go on when there are some again.

use std::env::current_exe;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use kmm_preflight::webhook::Bounds;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tracing_subscriber::fmt::MakeWriter;

use super::service::{Running, limits, surely};

/// The test below, by its name.
const INSIDE: &str = "scarcity::with_few_file_descriptors";

#[test]
fn a_lack_of_file_descriptors_is_waited_out_without_spinning() {
    let shell = Command::new("sh")
        .args(["-c", r#"ulimit -n 64; exec "$0" --ignored --exact "$1""#])
        .arg(current_exe().unwrap())
        .arg(INSIDE)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&shell.stdout);
    assert!(shell.status.success() && output.contains("1 passed"), "{output}");
}

/// Counts lines of the log.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, SeqCst);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
#[ignore = "a test of its own process, which the test above starts with a low limit"]
async fn with_few_file_descriptors() {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::WARN);
    log.try_init().unwrap();
    let server = Running::webhook(limits(), &Bounds::default()).await;
    let mut held = Vec::new();
    let scarce = loop {
        match TcpStream::connect(server.address).await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(scarce.raw_os_error(), Some(24), "EMFILE: {scarce}");
    let begun = Instant::now();
    surely(async {
        while lines.0.load(SeqCst) < 4 {
            yield_now().await;
        }
    })
    .await;
    assert!(
        begun.elapsed() > Duration::from_millis(400),
        "it asks again without a pause"
    );
    drop(held);
    server.tls(&[b"h2"]).await;
}
