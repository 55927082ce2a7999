//! Asks the judge, and keeps the book of where it agrees with the kernels.

use std::sync::Arc;

use kmm_preflight::api::{Finding, Severity};
use kmm_preflight::kmod::judge;
use kmm_preflight::kmod::load::{Load, LoadCommand, LoadedModules, SignaturePolicy};
use kmm_preflight::kmod::staged::{Folder, Program, StagedFolder, StagedImage, Tool};
use kmm_preflight::kmod::toolkit::{Toolkit, ToolkitEvidence};

use super::cache::Kernel;

/// What a kernel does with a module.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Truth<'a> {
    Loads,
    Refuses,
    /// It refuses it for this reason, because of this symbol.
    RefusesBy(&'a str, Option<&'a str>),
}

/// A question to the judge: `modprobe NAME [PARAMETER]` with this folder on this kernel.
#[derive(Clone)]
pub(crate) struct Question<'a> {
    pub(crate) folder: Arc<Folder>,
    pub(crate) name: &'a str,
    pub(crate) parameter: Option<String>,
    pub(crate) kernel: &'a Kernel,
    pub(crate) toolkit: Option<Toolkit>,
    pub(crate) signatures: SignaturePolicy,
}

impl<'a> Question<'a> {
    /// A module on a kernel, with that kernel's toolkit.
    pub(crate) fn new(name: &'a str, folder: &Arc<Folder>, kernel: &'a Kernel) -> Self {
        Self {
            folder: Arc::clone(folder),
            name,
            parameter: None,
            kernel,
            toolkit: Some(kernel.toolkit.clone()),
            signatures: SignaturePolicy::default(),
        }
    }

    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameter = Some(format!("{name}={value}"));
        self
    }

    pub(crate) fn without_toolkit(mut self) -> Self {
        self.toolkit = None;
        self
    }

    fn answer(self) -> Vec<Finding> {
        let tool = Tool::Present(Program::Elf(self.kernel.architecture.elf_machine()));
        let image = StagedImage {
            sh: tool,
            mkdir: tool,
            cp: tool,
            folder: StagedFolder::Folder(self.folder),
            has_modprobe_config: false,
            firmware: None,
            unread: Vec::new(),
        };
        let load = Load {
            kernel: self.kernel.release.clone(),
            architecture: Some(self.kernel.architecture),
            dir_name: "/opt".to_owned(),
            command: LoadCommand::Named {
                module: self.name.to_owned(),
                args: Vec::new(),
                parameters: self.parameter.into_iter().collect(),
            },
            loading_order: Vec::new(),
            in_tree_to_remove: Vec::new(),
            signatures: self.signatures,
            loaded: LoadedModules::default(),
        };
        let found = |toolkit| ToolkitEvidence::Found(Arc::new(toolkit));
        judge(&image, &load, &self.toolkit.map_or(ToolkitEvidence::NotGiven, found))
    }
}

/// Where the judge agrees with the kernels, and where not.
#[derive(Default)]
pub(crate) struct Ledger {
    agreed: usize,
    disagreements: Vec<String>,
}

impl Ledger {
    /// Both ways: what loads is not refused, and what is refused does not pass.
    pub(crate) fn compare(&mut self, subject: &str, truth: Truth<'_>, question: Question<'_>) {
        let toolkit = if question.toolkit.is_some() {
            "with a toolkit"
        } else {
            "without a toolkit"
        };
        let kernel = &question.kernel.release;
        let heading = format!("{subject} on {kernel}, {toolkit}: the kernel {truth:?}");
        let findings = question.answer();
        let deciding: Vec<&Finding> = findings.iter().filter(|f| f.severity == Severity::Decides).collect();
        let agrees = match truth {
            Truth::Loads => deciding.is_empty(),
            Truth::Refuses => !deciding.is_empty(),
            Truth::RefusesBy(rule, symbol) => deciding.iter().any(|finding| {
                finding.rule.to_string() == rule && (symbol.is_none() || finding.symbol.as_deref() == symbol)
            }),
        };
        if agrees {
            self.agreed += 1;
        } else {
            let said = findings
                .iter()
                .map(|f| format!("\n      {:?} {} {}", f.severity, f.rule, f.message));
            self.disagreements.push(heading + &said.collect::<String>());
        }
    }

    /// Without a toolkit much cannot be known; but what loads is still not refused.
    pub(crate) fn no_false_alarm(&mut self, subject: &str, truth: Truth<'_>, question: Question<'_>) {
        if let Truth::Loads = truth {
            self.compare(subject, truth, question.without_toolkit());
        }
    }

    /// All disagreements at once; a ledger without a line has compared nothing.
    pub(crate) fn close(self) {
        let Self { agreed, disagreements } = self;
        println!("{agreed} verdicts agree with the kernels");
        assert!(
            disagreements.is_empty(),
            "{} verdicts disagree with the kernels ({agreed} agree):\n  - {}",
            disagreements.len(),
            disagreements.join("\n  - ")
        );
        assert_ne!(agreed, 0, "nothing was compared");
    }
}
