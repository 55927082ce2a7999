//! Ctrl-C, which shall end a task in order: what was started is stopped and what was made is removed.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// From when on this is there, Ctrl-C and SIGTERM do not end the process but are told here.
pub struct Interrupt {
    heard: Receiver<()>,
}

impl Interrupt {
    /// Starts to listen.
    pub fn listen() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (interrupt, terminate) = {
            let _context = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let (teller, heard) = channel();
        std::thread::spawn(move || runtime.block_on(tell(teller, [interrupt, terminate])));
        Ok(Self { heard })
    }

    /// Waits for it.
    pub fn wait(&self) {
        // An error would say that nobody listens any more: then there is nothing to wait for.
        let _ = self.heard.recv();
    }

    /// An error, if it has come already.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.heard.try_recv().is_err(), "interrupted");
        Ok(())
    }
}

/// Tells of every signal, as long as somebody wants to know.
async fn tell(teller: Sender<()>, mut signals: [Signal; 2]) {
    loop {
        poll_fn(|context| {
            let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        if teller.send(()).is_err() {
            return;
        }
    }
}
