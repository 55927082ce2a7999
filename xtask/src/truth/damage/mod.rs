//! Random damages: one byte of one good module is another, anywhere in the file. A kernel and `check` say what they
//! think of each.
//!
//! A damaged module may load and leave a kernel behind that is no longer sound: guests serve a few damages only.

mod place;
mod table;

use std::collections::BTreeMap;

use anyhow::Context;

use super::case::Case;
use super::kernel::Kernel;
use super::ko::Ko;
use super::{Answer, Errand, Subject};
use place::Place;
use table::Table;

/// The module: it has an init that does something, and symbols with versions, some of them GPL-only.
const MODULE: &str = "gpl_user";
/// The kernel, unless another is named.
const KERNEL: &str = "6.1.0-50-cloud-amd64";
/// How many damages are asked about at once, by a few guests that are new.
const AT_ONCE: usize = 50;

/// How many damages, and what the first one follows from.
pub struct Damages {
    /// How many.
    pub count: usize,
    /// The same seed always gives the same damages.
    pub seed: u64,
}

/// One byte that becomes another.
struct Damage {
    at: usize,
    was: u8,
    becomes: u8,
    place: Place,
}

impl Damages {
    /// Asks about all of them.
    pub(super) fn ask(&self, errand: &Errand<'_>, print: &mut impl FnMut(&str)) -> anyhow::Result<Answer> {
        let kernels = errand.kernels_named_or(&[KERNEL], print)?;
        let (mut rows, mut table) = (Vec::new(), Table::default());
        for kernel in &kernels {
            let ko = kernel.ko(MODULE)?;
            let made: BTreeMap<String, Damage> = self.of(&ko).into_iter().collect();
            let cases: Vec<_> = made
                .iter()
                .map(|(id, damage)| ("damages", 0, damage.case(id, kernel, &ko)))
                .collect();
            for some in cases.chunks(AT_ONCE) {
                for row in errand.asked(kernel, some.to_vec(), print)? {
                    table.add(made.get(&row.id).context("a damage of that name")?, &row);
                    rows.push(row);
                }
            }
        }
        let releases: Vec<String> = kernels.into_iter().map(|kernel| kernel.release).collect();
        let text = table.text(self, &releases);
        Ok(Answer::of(Subject::Damages, rows, text, print))
    }

    /// The damages of a module, by names that are also those of images.
    fn of(&self, ko: &Ko) -> Vec<(String, Damage)> {
        let mut random = Random(self.seed);
        let mut damage = |number| {
            let at = random.below(ko.bytes.len());
            let was = ko.bytes.get(at).copied().unwrap_or_default();
            let becomes = was ^ u8::try_from(1 + random.below(255)).unwrap_or(1);
            let place = Place::of(&ko.bytes, at);
            let id = format!("{}-{number:04}-at-{at}-{was:02x}-to-{becomes:02x}", self.seed);
            let damage = Damage {
                at,
                was,
                becomes,
                place,
            };
            (id, damage)
        };
        (0..self.count).map(&mut damage).collect()
    }
}

impl Damage {
    fn words(&self) -> String {
        format!("{}, {:02x}, {:02x}", self.at, self.was, self.becomes)
    }

    fn case(&self, id: &str, kernel: &Kernel, ko: &Ko) -> Case {
        let damaged = ko.clone().patched(self.at, &[self.becomes]);
        let name = place::module_name(&damaged.bytes, &ko.bytes);
        let case = kernel.case(id).ko(damaged);
        let case = name.map_or(case.clone(), |name| case.expecting(&name));
        match self.place.out_of_reach() {
            Some(why) => case.out_of_reach(why),
            None => case,
        }
    }
}

/// Numbers that look random: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is small beside 2⁶⁴, and at least 1.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_numbers() {
        // The first numbers of the reference implementation for the seed 1234567.
        let mut random = Random(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn every_damage_alters_its_byte() {
        let ko = Ko::new("zeros", vec![0; 100]);
        let damages = Damages { count: 300, seed: 7 };
        for (id, damage) in damages.of(&ko) {
            assert!(damage.at < 100 && damage.becomes != damage.was, "{id}");
        }
    }
}
