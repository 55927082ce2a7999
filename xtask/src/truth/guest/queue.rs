//! The cases of all batches shared among a few guests that run at once: who is done takes what is next.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::ScopedJoinHandle;

use super::fact::Telling;
use super::{Batch, Known};

/// From how many cases on a batch is shared among guests: a boot takes as long as some dozen cases.
const WORTH_SHARING: usize = 50;
/// After how many more cases it is said how far the guests are.
const PROGRESS: usize = 50;

/// What was told of a batch's cases, by the batch's number.
type Told = Vec<(usize, BTreeMap<usize, Telling>)>;

/// Cases of one batch that a guest is asked about, one boot after the other.
struct Share {
    batch: usize,
    cases: Vec<usize>,
}

/// Asks what is not known of so many batches, and says how far it is.
pub(super) fn ask(
    batches: &[Batch<'_>],
    known: &[Known],
    guests: usize,
    work: &Path,
    print: &mut impl FnMut(&str),
) -> anyhow::Result<Told> {
    let shares = shares(known.iter().map(Known::unknown), guests.max(1));
    let count = shares.iter().map(|share| share.cases.len()).sum();
    let (next, (sender, progress)) = (AtomicUsize::new(0), channel());
    let take = |progress: &Sender<()>| -> anyhow::Result<Told> {
        let mut told = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(number) else {
                return Ok(told);
            };
            let (batch, keys) = (&batches[share.batch], &known[share.batch].keys);
            let initrd = work.join(format!("{}.{number}.cpio", batch.kernel.release));
            told.push((share.batch, batch.boot_all(&initrd, &share.cases, keys, progress)?));
        }
    };
    std::thread::scope(|scope| {
        let start = |sender: Sender<()>| {
            let take = &take;
            scope.spawn(move || take(&sender))
        };
        let running: Vec<_> = (0..guests.max(1)).map(|_| start(sender.clone())).collect();
        drop(sender);
        report(progress.iter(), count, print);
        let told = running.into_iter().map(join).collect::<anyhow::Result<Vec<Told>>>()?;
        Ok(told.into_iter().flatten().collect())
    })
}

/// What is not known of each batch, in parts where that is worth a boot more; the largest first, so that no guest is
/// left alone with one in the end.
fn shares(unknown: impl Iterator<Item = Vec<usize>>, guests: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = unknown
        .enumerate()
        .flat_map(|(batch, cases)| {
            let parts = if cases.len() < WORTH_SHARING { 1 } else { guests };
            let size = cases.len().div_ceil(parts).max(1);
            let parts: Vec<Vec<usize>> = cases.chunks(size).map(<[usize]>::to_vec).collect();
            parts.into_iter().map(move |cases| Share { batch, cases })
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.cases.len()));
    shares
}

fn report(answers: impl Iterator<Item = ()>, of: usize, print: &mut impl FnMut(&str)) {
    for (count, ()) in (1..).zip(answers) {
        if count % PROGRESS == 0 {
            print(&format!("{count} of {of} are answered"));
        }
    }
}

fn join(guest: ScopedJoinHandle<'_, anyhow::Result<Told>>) -> anyhow::Result<Told> {
    guest
        .join()
        .unwrap_or_else(|_panic| anyhow::bail!("a guest's thread died"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_large_is_shared_and_the_largest_comes_first() {
        let unknown = [WORTH_SHARING - 1, 0, 2 * WORTH_SHARING, 8].map(|count| (0..count).collect::<Vec<_>>());
        let shares = shares(unknown.into_iter(), 2);
        let taken: Vec<_> = shares.iter().map(|share| (share.batch, share.cases.len())).collect();
        assert_eq!(
            taken,
            [(2, WORTH_SHARING), (2, WORTH_SHARING), (0, WORTH_SHARING - 1), (3, 8)]
        );
        assert_eq!(shares[1].cases.first(), Some(&WORTH_SHARING), "no case is asked twice");
    }
}
