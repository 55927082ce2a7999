//! The table of random damages: by what stood in the place, what the kernel did and what `check` had said.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::place::Place;
use super::{AT_ONCE, Damage, Damages, MODULE};
use crate::truth::guest::Outcome;
use crate::truth::report::{Row, Standing};

/// The rows: damages of one place, counted by what came of them.
#[derive(Default)]
pub(super) struct Table {
    places: BTreeMap<Place, BTreeMap<Column, usize>>,
    /// Those that were not foreseen, with the damages of each cause.
    causes: BTreeMap<(Column, Place, String), Vec<String>>,
}

/// How many damages of one cause are shown.
const SHOWN: usize = 3;

/// What came of a damage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Loads,
    Refused,
    RefusedOutOfReach,
    CrashesOutOfReach,
    FalseAlarm,
    FalseAllClear,
    CrashesUnforeseen,
}

impl Column {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Loads, "loads, said so"),
        (Self::Refused, "does not load, said so"),
        (Self::RefusedOutOfReach, "code or data: refused"),
        (Self::CrashesOutOfReach, "code or data: crashes"),
        (Self::FalseAlarm, "false alarm"),
        (Self::FalseAllClear, "refused, false all-clear"),
        (Self::CrashesUnforeseen, "crashes, false all-clear"),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(column, _)| *column == self);
        found.map_or("", |(_, name)| name)
    }

    fn of(row: &Row) -> Self {
        let crashed = row.fact.outcome == Outcome::Crashed;
        match row.with_toolkit() {
            Standing::Loads => Self::Loads,
            Standing::Refused => Self::Refused,
            Standing::NotChecked if crashed => Self::CrashesOutOfReach,
            Standing::NotChecked => Self::RefusedOutOfReach,
            Standing::FalseAlarm => Self::FalseAlarm,
            Standing::FalseAllClear if crashed => Self::CrashesUnforeseen,
            Standing::FalseAllClear => Self::FalseAllClear,
        }
    }
}

impl Table {
    pub(super) fn add(&mut self, damage: &Damage, row: &Row) {
        let column = Column::of(row);
        let counts = self.places.entry(damage.place.clone()).or_default();
        *counts.entry(column).or_default() += 1;
        if !matches!(column, Column::Loads | Column::Refused) {
            let damages = self.causes.entry((column, damage.place.clone(), cause(row)));
            damages.or_default().push(damage.words());
        }
    }

    /// The chapter, in Markdown.
    pub(super) fn text(&self, damages: &Damages, kernels: &[String]) -> String {
        let mut text = format!(
            "One byte of `{MODULE}.ko`, anywhere in the file, is another one: {count} damages on {}, in fresh guests for every\n\
             {AT_ONCE}, judged with the toolkit. `cargo xtask truth --damages {count} --seed {} --report docs/truth.md` writes this.\n\n",
            kernels.join(", "),
            damages.seed,
            count = damages.count,
        );
        let names: Vec<&str> = Column::ALL.iter().map(|(_, name)| *name).collect();
        let _ = writeln!(text, "| what stood there | damages | {} |", names.join(" | "));
        let _ = writeln!(text, "|---|---:{}|", "|---:".repeat(names.len()));
        for (place, counts) in &self.places {
            let _ = writeln!(text, "| {} | {} |", place.words(), line(counts));
        }
        let _ = writeln!(text, "| all | {} |", line(&self.sums()));
        text + &self.caused()
    }

    /// What was not foreseen, by what caused it.
    fn caused(&self) -> String {
        let mut text = String::from(
            "\n| what came of it | what stood there | why | damages | offset, was, is |\n|---|---|---|---:|---|\n",
        );
        for ((column, place, cause), damages) in &self.causes {
            let some = damages.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
            let more = if damages.len() > SHOWN { " …" } else { "" };
            let _ = writeln!(
                text,
                "| {} | {} | {cause} | {} | {}{more} |",
                column.name(),
                place.words(),
                damages.len(),
                some.join("; "),
            );
        }
        if self.causes.is_empty() { String::new() } else { text }
    }

    fn sums(&self) -> BTreeMap<Column, usize> {
        let mut sums = BTreeMap::new();
        for (column, count) in self.places.values().flatten() {
            *sums.entry(*column).or_default() += count;
        }
        sums
    }
}

/// What the kernel said of it, in few words: of an oops the function that it happened in.
fn cause(row: &Row) -> String {
    let function = |line: &String| {
        let (_, place) = line.split_once("RIP: 0010:").or_else(|| line.split_once("pc : "))?;
        Some(format!("in `{}`", place.split('+').next()?))
    };
    match row.fact.outcome {
        Outcome::Crashed => row
            .fact
            .kernel
            .iter()
            .find_map(function)
            .unwrap_or_else(|| "it never comes back".to_owned()),
        Outcome::Loaded => row.with_toolkit.reason.clone(),
        _ => row.fact.reason().replace('|', "/"),
    }
}

/// A row's numbers; nothing stands for 0.
fn line(counts: &BTreeMap<Column, usize>) -> String {
    let number = |(column, _): (Column, &str)| counts.get(&column).map(usize::to_string).unwrap_or_default();
    let cells: Vec<String> = Column::ALL.into_iter().map(number).collect();
    format!("{} | {}", counts.values().sum::<usize>(), cells.join(" | "))
}
