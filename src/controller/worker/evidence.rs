//! What one preflight asks beyond its targets' own images: what nodes have loaded, and what its Modules load today.

use std::sync::Arc;

use jiff::Timestamp;

use super::Worker;
use crate::controller::gathered::Gathered;
use crate::controller::today::TodayRound;

impl Worker {
    /// Has it watched what nodes have loaded, for as long as an answer depends on that.
    pub(super) fn ask_nodes(&mut self, gathered: &Gathered) {
        let wanted = gathered.wants_evidence(&self.memory);
        if wanted != self.nodes_asked.is_some() {
            self.nodes_asked = wanted.then(|| self.operator.watches.ask_nodes());
        }
    }

    /// Has it looked at what Modules load today whose answer rests on that.
    pub(super) fn ask_for_examples(&mut self, gathered: &Arc<Gathered>, now: Timestamp) {
        let wanted = gathered.examples_wanted(&self.memory, now);
        let asked = self.memory.examples.ask(wanted, now);
        if asked.is_empty() {
            return;
        }
        let round = TodayRound {
            gathered: Arc::clone(gathered),
            asked: asked.clone(),
        };
        let round = round.run(Arc::clone(&self.operator), self.reports.0.clone());
        self.asking.insert(self.rounds.spawn(round).id(), asked);
    }
}
