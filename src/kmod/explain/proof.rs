//! What shows that the rules agree with real kernels: cases of `cargo xtask truth`, which looks that they exist, that
//! their rule speaks in them, and that the kernel agrees.

use crate::api::Rule;

/// What shows that a rule is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Cases on real kernels, as `group/case`: in each the rule speaks, and the kernel does what it says.
    Cases(&'static [&'static str]),
    /// No kernel of those cases has what it takes: which tests show it instead.
    Tests(&'static str),
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
            Self::Tests(sentence) | Self::Nothing(sentence) => sentence.to_owned(),
        }
    }
}

const LIMIT: Proof = Proof::Nothing("a limit of this program, not of any kernel");
const TOOLKIT: Proof = Proof::Nothing("it speaks of the toolkit, not of the module");

/// Every rule with what shows it, in the order of the rules.
pub(super) const PROOFS: &[(Rule, Proof)] = &[
    (
        Rule::ImageArchitecture,
        Proof::Cases(&[
            "images/programs-of-another-processor",
            "images/copy-program-of-another-processor",
        ]),
    ),
    (
        Rule::CopyToolMissing,
        Proof::Cases(&[
            "images/scratch",
            "images/no-mkdir",
            "images/no-cp",
            "images/whiteout-of-cp",
            "images/shell-is-text",
            "images/shell-is-empty",
            "images/cp-is-empty",
        ]),
    ),
    (
        Rule::KernelFolderMissing,
        Proof::Cases(&["images/other-kernel-only", "images/kernel-is-a-file"]),
    ),
    (
        Rule::KernelFolderLink,
        Proof::Cases(&[
            "images/link-kernel",
            "images/link-kernel-relative",
            "images/link-kernel-dangling",
        ]),
    ),
    (
        Rule::FirmwareMissing,
        Proof::Cases(&["images/firmware-folder-missing", "images/firmware-folder-empty"]),
    ),
    (
        Rule::ModprobeArguments,
        Proof::Cases(&[
            "arguments/args-dry-run",
            "arguments/args-remove",
            "arguments/args-unknown-long",
            "arguments/raw-no-words",
        ]),
    ),
    (
        Rule::KernelFolderPlus,
        Proof::Tests("tests of the judge with made-up releases: no kernel at hand has a release that ends in `+`"),
    ),
    (
        Rule::DepIndexMissing,
        Proof::Cases(&["indexes/text-only", "indexes/dep-bin-missing", "indexes/dep-bin-empty"]),
    ),
    (
        Rule::DepIndexDamaged,
        Proof::Cases(&[
            "indexes/dep-bin-text",
            "indexes/dep-bin-other-version",
            "indexes/dep-bin-offset-outside",
        ]),
    ),
    (
        Rule::ModuleNotFound,
        Proof::Cases(&[
            "indexes/another-name",
            "indexes/alias-pattern-unmatched",
            "indexes/name-with-ko",
            "arguments/raw-path",
        ]),
    ),
    (
        Rule::ModuleFileMissing,
        Proof::Cases(&["indexes/stale-file-gone", "indexes/stale-file-moved"]),
    ),
    (
        Rule::LinkLeavesFolder,
        Proof::Cases(&["images/link-module-outside", "images/link-module-to-itself"]),
    ),
    (
        Rule::DependencyMissing,
        Proof::Cases(&["dependencies/in-image-file-gone", "dependencies/in-image-link-outside"]),
    ),
    (
        Rule::DependencyInTree,
        Proof::Cases(&[
            "dependencies/in-tree-host-link",
            "dependencies/order-in-tree-by-host-link",
        ]),
    ),
    (
        Rule::SoftDependencyMissing,
        Proof::Cases(&["dependencies/order-missing"]),
    ),
    (Rule::ModprobeConfigIgnored, Proof::Cases(&["images/modprobe-d"])),
    (Rule::ModuleInTree, Proof::Cases(&["dependencies/same-name-as-in-tree"])),
    (
        Rule::ModuleBuiltin,
        Proof::Cases(&["dependencies/same-name-as-built-in-with-parameters"]),
    ),
    (
        Rule::FileDamaged,
        Proof::Cases(&[
            "packing/xz-cut-in-the-middle",
            "packing/zstd-a-byte-altered",
            "packing/xz-bytes-after-it",
        ]),
    ),
    (Rule::FileTooLarge, LIMIT),
    (
        Rule::SignatureMissing,
        Proof::Cases(&[
            "signatures/sig-enforce-unsigned",
            "signatures/lockdown-unsigned",
            "signatures/sig-enforce-unsigned-forced",
        ]),
    ),
    (
        Rule::SignatureMalformed,
        Proof::Cases(&[
            "signatures/plain-longer-than-the-file",
            "signatures/plain-algo-set",
            "signatures/plain-padding-set",
        ]),
    ),
    (
        Rule::SignatureUntrusted,
        Proof::Cases(&[
            "signatures/sig-enforce-by-a-foreign-key",
            "signatures/lockdown-by-a-foreign-key",
        ]),
    ),
    (
        Rule::SignatureUnsupported,
        Proof::Cases(&["signatures/sig-enforce-type-pgp", "signatures/lockdown-type-unknown"]),
    ),
    (
        Rule::SignatureMismatch,
        Proof::Cases(&[
            "trusted/db-sig-enforce-by-us-altered-after",
            "trusted/db-by-us-altered-after",
            "trusted/db-signer-by-our-signer-altered-after",
        ]),
    ),
    (
        Rule::SignaturePresent,
        Proof::Nothing("it only tells who signed the file"),
    ),
    (
        Rule::SignatureGood,
        Proof::Cases(&[
            "trusted/db-sig-enforce-by-us",
            "trusted/db-lockdown-by-us",
            "trusted/db-signer-by-our-signer-rsa-2048",
            "trusted/db-signer-by-our-signer-rsa-4096",
            "trusted/db-signer-by-our-signer-p-256",
            "trusted/db-signer-by-our-signer-p-384",
        ]),
    ),
    (
        Rule::ElfMalformed,
        Proof::Cases(&[
            "headers/magic-zero",
            "headers/symtab-flags-all-ones",
            "headers/modinfo-flags-all-ones",
            "files/text",
            "files/sections-of-one-name",
        ]),
    ),
    (
        Rule::ElfTruncated,
        Proof::Cases(&["files/cut-at-4-eighths", "files/outside-modinfo"]),
    ),
    (
        Rule::ElfMachine,
        Proof::Cases(&["headers/machine-aarch64", "headers/machine-ppc64"]),
    ),
    (Rule::ElfStripped, Proof::Cases(&["headers/symtab-type-zero"])),
    (
        Rule::NotAModule,
        Proof::Cases(&["files/not-linked", "files/without-gnu-linkonce-this-module"]),
    ),
    (
        Rule::ModuleStructSize,
        Proof::Cases(&["files/emptied-gnu-linkonce-this-module", "files/larger-struct-module"]),
    ),
    (Rule::ElfRelocation, Proof::Cases(&["headers/this-module-offset-zero"])),
    (
        Rule::KernelCrash,
        Proof::Cases(&[
            "files/emptied-symtab",
            "files/emptied-init-text",
            "files/emptied-rela-init-text",
            "headers/symtab-align-all-ones",
            "headers/this-module-offset-one-more",
        ]),
    ),
    (
        Rule::CrcMismatch,
        Proof::Cases(&["crcs/one-symbol", "crcs/module-layout", "crcs/one-symbol-high-half"]),
    ),
    (Rule::VersionsMissing, Proof::Cases(&["crcs/section-absent"])),
    (
        Rule::VermagicMismatch,
        Proof::Cases(&[
            "vermagic/without-smp",
            "vermagic/upper-case",
            "vermagic/other-release-no-versions",
        ]),
    ),
    (Rule::VermagicMissing, Proof::Cases(&["vermagic/absent"])),
    (
        Rule::LivepatchUnsupported,
        Proof::Cases(&["files/live-patch", "files/live-patch-or-not"]),
    ),
    (
        Rule::SymbolMissing,
        Proof::Cases(&["symbols/missing", "symbols/empty-name"]),
    ),
    (
        Rule::DependencyInTreeUnlinked,
        Proof::Cases(&[
            "dependencies/in-tree-unlinked",
            "dependencies/in-tree-unlinked-but-loaded",
        ]),
    ),
    (
        Rule::SymbolGplOnly,
        Proof::Cases(&[
            "licences/proprietary-gpl-only-symbol",
            "licences/gpl-lower-gpl-only-symbol",
            "licences/named-lve",
        ]),
    ),
    (
        Rule::SymbolProprietary,
        Proof::Cases(&["licences/gpl-user-of-a-proprietary-module-gpl-only-symbol-first"]),
    ),
    (
        Rule::SymbolVersionMissing,
        Proof::Cases(&["crcs/one-symbol-absent", "crcs/module-layout-absent"]),
    ),
    (
        Rule::SymbolNamespace,
        Proof::Cases(&["symbols/namespace-not-imported", "namespaces/for-modules-it-is-none-of"]),
    ),
    (
        Rule::SymbolDuplicate,
        Proof::Cases(&["symbols/exports-what-a-loaded-in-tree-module-exports"]),
    ),
    (Rule::ParameterUnknown, Proof::Cases(&["parameters/unknown"])),
    (
        Rule::ParameterMalformed,
        Proof::Cases(&[
            "parameters/int-too-high",
            "parameters/bool-maybe",
            "parameters/array-bad",
            "parameters/array-five",
            "parameters/string-too-long",
        ]),
    ),
    (Rule::FileNotRead, LIMIT),
    (Rule::ToolkitMissing, TOOLKIT),
    (Rule::ToolkitOtherKernel, TOOLKIT),
    (Rule::NotChecked, TOOLKIT),
];
