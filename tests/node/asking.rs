//! People who create preflights, one after the other, while something happens to the operator.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use xtask::ControlPlane;

/// How many are created in one run of kubectl.
const ROUND: usize = 20;
/// How many are created at least while something happens.
const LEAST: usize = 200;

/// Does something while preflights are created (as a dry run, through admission all the same), and until one more
/// round was begun after it. None may be refused.
pub(crate) fn while_asked<T>(cluster: &ControlPlane, happen: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask_until(cluster, &over));
        let ending = Ending(&over);
        let outcome = happen();
        drop(ending);
        let admitted = asking.join().expect("the thread that asks");
        let admitted = admitted.unwrap_or_else(|refusal| panic!("an admission failed: {refusal:?}"));
        eprintln!("{admitted} were admitted meanwhile");
        outcome
    })
}

/// Says that it is over, also where what happens fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many were admitted; or the first complaint.
fn ask_until(cluster: &ControlPlane, over: &AtomicBool) -> anyhow::Result<usize> {
    let preflights = preflights();
    let mut admitted = 0;
    loop {
        let last = over.load(Ordering::Relaxed);
        ask(cluster, &preflights)?;
        admitted += ROUND;
        if last && admitted >= LEAST {
            return Ok(admitted);
        }
    }
}

/// Creates a round of preflights. Each comes back with the default that only our admission fills in.
fn ask(cluster: &ControlPlane, preflights: &str) -> anyhow::Result<()> {
    let default = "-o=jsonpath={.spec.pushBuiltImage}{'\\n'}";
    let dry = [
        "create",
        "--dry-run=server",
        "--validate=false",
        default,
        "--filename=-",
    ];
    let answers = cluster.feed_kubectl(dry, preflights)?;
    anyhow::ensure!(
        answers == "false\n".repeat(ROUND),
        "not all were defaulted: {answers:?}"
    );
    Ok(())
}

fn preflights() -> String {
    (0..ROUND).fold(String::new(), |mut yaml, number| {
        let _ = write!(
            yaml,
            "---\napiVersion: kmm.sigs.x-k8s.io/v1beta2\nkind: PreflightValidationOCP\n\
             metadata: {{name: asked-{number}}}\nspec: {{kernelVersion: 6.1.0-50-cloud-amd64}}\n"
        );
        yaml
    })
}
