//! Patterns that were compiled already: a thousand Modules use the same few, and a cluster asks about each of them at
//! every admission and every change.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{GoRegexp, RegexpError};

/// How many patterns are kept. More of them than a cluster has; when they are more all the same, all are forgotten.
const KEPT: usize = 1024;

/// Longer patterns are compiled anew each time: what is kept stays small, whoever writes Modules.
const LONGEST_KEPT: usize = 256;

type Compiled = Result<GoRegexp, RegexpError>;

static MEMO: LazyLock<Mutex<HashMap<String, Compiled>>> = LazyLock::new(Mutex::default);

/// What a pattern compiles to, compiled now or before.
pub(super) fn compiled(pattern: &str, compile: impl FnOnce(&str) -> Compiled) -> Compiled {
    if pattern.len() > LONGEST_KEPT {
        return compile(pattern);
    }
    if let Some(known) = memo().get(pattern) {
        return known.clone();
    }
    let result = compile(pattern);
    let mut memo = memo();
    if memo.len() >= KEPT {
        memo.clear();
    }
    memo.insert(pattern.to_owned(), result.clone());
    result
}

fn memo() -> std::sync::MutexGuard<'static, HashMap<String, Compiled>> {
    MEMO.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_twice_is_compiled_once_and_says_the_same() {
        for pattern in ["^a-memo$", "a-memo**"] {
            let first = compiled(pattern, GoRegexp::compile).map(|regexp| regexp.is_match("a-memo"));
            let second = compiled(pattern, |_| unreachable!("compiled twice"));
            assert_eq!(second.map(|regexp| regexp.is_match("a-memo")), first, "{pattern}");
        }
    }

    #[test]
    fn a_long_pattern_is_not_kept() {
        let long = format!("^{}$", "a".repeat(LONGEST_KEPT));
        let mut compilations = 0;
        for _ in 0..2 {
            let counted = |pattern: &str| {
                compilations += 1;
                GoRegexp::compile(pattern)
            };
            assert!(compiled(&long, counted).is_ok());
        }
        assert_eq!(compilations, 2);
    }
}
