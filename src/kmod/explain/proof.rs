//! What shows that the rules agree with real kernels: cases of `cargo xtask truth`, which looks that they exist, that
//! their rule speaks in them, and that the kernel agrees.

use crate::api::Rule;

/// What shows that a rule is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Cases on real kernels, as `group/case`: in each the rule speaks, and the kernel does what it says.
    Cases(&'static [&'static str]),
    /// No kernel at hand has what it takes: tests with made-up kernels, in one sentence.
    MadeUp(&'static str),
    /// There is nothing that a kernel could show; why, in one sentence.
    Nothing(&'static str),
}

impl Proof {
    /// In Markdown.
    pub fn markdown(self) -> String {
        match self {
            Self::Cases(cases) => {
                let quoted: Vec<String> = cases.iter().map(|case| format!("`{case}`")).collect();
                quoted.join(", ")
            }
            Self::MadeUp(sentence) | Self::Nothing(sentence) => sentence.to_owned(),
        }
    }
}

const LIMIT: Proof = Proof::Nothing("a limit of this program, not of any kernel");
const TOOLKIT: Proof = Proof::Nothing("it speaks of the toolkit, not of the module");
