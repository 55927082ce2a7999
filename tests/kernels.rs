//! Truth before opinion: every verdict on a real module is compared with what its real kernel did with it.
//!
//! `tests/run` builds the kernels' side and says where it stands; see `tests/kernels/variants.py` for its meaning.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a skipped or counted comparison is worth telling"
)]

mod kernels_support;

mod kernels {
    mod signing;
}

use std::sync::Arc;

use kmm_preflight::kmod::config::KernelConfig;
use kmm_preflight::kmod::load::{Enforcement, SignaturePolicy};
use kmm_preflight::kmod::toolkit::Toolkit;
use serde_json::Value;

use kernels_support::cache::{Cache, Kernel, Module, Record, cache};
use kernels_support::ledger::{Ledger, Question, Truth};
use kernels_support::shelf;

/// Values that a kernel refuses for reasons that the judge does not see: what a parameter's own parser says.
const NOT_SEEN: [(&str, &str); 2] = [("p_even", "3"), ("p_even", "x")];

impl Record {
    fn truth(&self) -> Truth<'_> {
        match &self.refusal {
            _ if self.loads => Truth::Loads,
            Some(rule) => Truth::RefusesBy(rule, self.symbol.as_deref()),
            None => Truth::Refuses,
        }
    }

    fn subject(&self) -> String {
        format!("{} ({})", self.file, self.what)
    }
}

impl Module {
    fn on<'a>(&'a self, kernel: &'a Kernel) -> Question<'a> {
        Question::new(&self.name, &self.folder, kernel)
    }
}

/// A cache without in-tree modules (made without `--images`) does not tell the size of `struct module`.
#[test]
fn a_module_is_judged_as_its_own_kernel_judges_it() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in &cache.modules {
        let home = cache.home(module);
        let (truth, question) = (module.record.truth(), module.on(home));
        ledger.no_false_alarm(&module.record.subject(), truth, question.clone());
        if home.toolkit.this_module.is_some() || !matches!(truth, Truth::RefusesBy("module-struct-size", _)) {
            ledger.compare(&module.record.subject(), truth, question);
        }
    }
    ledger.close();
}

#[test]
fn no_module_of_another_kernel_passes() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in &cache.modules {
        let foreign = |kernel: &&Kernel| kernel.release != module.record.built_for;
        for kernel in cache.kernels.iter().filter(foreign) {
            ledger.compare(&module.record.subject(), Truth::Refuses, module.on(kernel));
        }
    }
    ledger.close();
}

#[test]
fn a_sound_module_of_another_kernel_is_refused_by_the_layout_of_struct_module() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in cache.modules.iter().filter(|module| module.name == "plain") {
        let home = cache.home(module);
        for kernel in &cache.kernels {
            if kernel.release != home.release && kernel.architecture == home.architecture {
                let truth = Truth::RefusesBy("crc-mismatch", Some("module_layout"));
                ledger.compare(&module.record.subject(), truth, module.on(kernel));
            }
        }
    }
    ledger.close();
}

/// Debian's kernels set `MODULE_FORCE_LOAD`, and refuse a symbol without a CRC; others do neither.
#[test]
fn a_kernel_that_is_not_debians_judges_what_debian_judges_otherwise() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in &cache.modules {
        let kernel = cache.home(module);
        let truth = match &module.record {
            record if record.needs_force_load => Truth::Refuses,
            record if record.refused_by.as_deref() == Some("Debian") => Truth::Loads,
            _ => continue,
        };
        let mut question = module.on(kernel);
        question.toolkit = Some(not_debians(kernel));
        ledger.compare(&format!("{}, not Debian's,", module.record.subject()), truth, question);
    }
    ledger.close();
}

fn not_debians(kernel: &Kernel) -> Toolkit {
    let config = kernel
        .config
        .replace("CONFIG_MODULE_FORCE_LOAD=y\n", "")
        .replace("Debian", "Other");
    Toolkit {
        config: Some(Arc::new(KernelConfig::parse(&config))),
        ..kernel.toolkit.clone()
    }
}

#[test]
fn a_kernel_that_enforces_signatures_takes_only_those_it_trusts() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in &cache.modules {
        let record = &module.record;
        let signed = record.signed_by.as_deref() == Some("trusted") && !record.altered;
        let truth = if signed { Truth::Loads } else { Truth::Refuses };
        let subject = format!("{}, signatures enforced,", record.subject());
        let question = trusting(cache, module, Some(Enforcement::Asked));
        ledger.no_false_alarm(&subject, truth, question.clone());
        ledger.compare(&subject, truth, question);
    }
    ledger.close();
}

#[test]
fn a_kernel_that_trusts_the_key_refuses_what_was_altered_even_where_it_enforces_nothing() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in cache.modules.iter().filter(|module| module.record.signed_by.is_some()) {
        let truth = if module.record.altered {
            Truth::Refuses
        } else {
            Truth::Loads
        };
        let subject = format!("{}, its key trusted,", module.record.subject());
        ledger.compare(&subject, truth, trusting(cache, module, None));
    }
    ledger.close();
}

fn trusting<'a>(cache: &'a Cache, module: &'a Module, enforced: Option<Enforcement>) -> Question<'a> {
    let mut question = module.on(cache.home(module));
    question.signatures = SignaturePolicy {
        enforced,
        trusted: vec![cache.trusted.clone()],
    };
    question
}

#[test]
fn a_parameter_takes_the_values_that_the_kernel_takes() {
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for module in &cache.modules {
        for (parameter, values) in &module.record.parameters {
            for (kind, truth) in [
                ("good", Truth::Loads),
                ("bad", Truth::RefusesBy("parameter-malformed", Some(parameter))),
            ] {
                for value in values[kind].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let subject = format!("{} {parameter}={value:.40}", module.record.file);
                    let question = module.on(cache.home(module)).with_parameter(parameter, value);
                    let hidden = kind == "bad" && NOT_SEEN.contains(&(parameter, value));
                    let truth = if hidden { Truth::Loads } else { truth };
                    ledger.compare(&subject, truth, question.clone());
                    ledger.compare(&subject, truth, question.without_toolkit());
                }
            }
        }
    }
    ledger.close();
}

#[test]
fn folders_with_the_index_of_a_real_depmod_are_judged_as_modprobe_would() {
    const TABLE: [(&str, &str, Truth<'_>); 11] = [
        ("together", "plain", Truth::Loads),
        ("together", "importer", Truth::Loads),
        ("together", "softdeps", Truth::Loads),
        ("together", "another-name", Truth::Loads),
        ("together", "no_such_module", Truth::RefusesBy("module-not-found", None)),
        ("packed", "plain-xz", Truth::Loads),
        ("packed", "plain_zstd", Truth::Loads),
        ("text-only", "plain", Truth::RefusesBy("dep-index-missing", None)),
        ("dependency-missing", "importer", Truth::Refuses),
        ("linked", "needs_in_tree", Truth::Loads),
        (
            "unlinked",
            "needs_in_tree",
            Truth::RefusesBy("dependency-in-tree-unlinked", None),
        ),
    ];
    let Some(cache) = cache() else { return };
    let mut ledger = Ledger::default();
    for kernel in &cache.kernels {
        for (folder, name, truth) in TABLE {
            let root = kernel.folders.join(folder);
            if root.exists() {
                let folder = Arc::new(shelf::read(&root, &kernel.release));
                let question = Question::new(name, &folder, kernel);
                let subject = format!("{} {name}", root.display());
                ledger.no_false_alarm(&subject, truth, question.clone());
                ledger.compare(&subject, truth, question);
            }
        }
    }
    ledger.close();
}
