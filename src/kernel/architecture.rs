//! The processor architectures that KMM's nodes have, under the names that each world gives them.

use serde::{Deserialize, Serialize};

/// A processor architecture; in JSON, by the name that images have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "amd64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "arm64")]
    Aarch64,
    /// 64-bit POWER, little endian.
    Ppc64le,
    /// IBM Z.
    S390x,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 5] = [Self::X86_64, Self::Aarch64, Self::Ppc64le, Self::S390x, Self::Riscv64];

    /// The name that images and `kubernetes.io/arch` use.
    pub const fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::Riscv64 => "riscv64",
        }
    }

    /// The name that `uname -m` prints.
    pub const fn machine_name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Ppc64le => "ppc64le",
            Self::S390x => "s390x",
            Self::Riscv64 => "riscv64",
        }
    }

    /// `e_machine` of its ELF files (`include/uapi/linux/elf-em.h`).
    pub const fn elf_machine(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
            Self::Ppc64le => 21,
            Self::S390x => 22,
            Self::Riscv64 => 243,
        }
    }

    /// Whether its ELF files are big endian.
    pub const fn is_big_endian(self) -> bool {
        matches!(self, Self::S390x)
    }

    /// The architecture that goes by that name in images, `uname -m`, Debian's packages and kernel flavours, or AlmaLinux's
    /// packages for a later level of x86-64.
    pub fn from_name(name: &str) -> Option<Self> {
        let debian = || matches!(name, "ppc64el" | "powerpc64le").then_some(Self::Ppc64le);
        let level = || matches!(name, "x86_64_v2" | "x86_64_v3" | "x86_64_v4").then_some(Self::X86_64);
        Self::ALL
            .into_iter()
            .find(|arch| name == arch.go_name() || name == arch.machine_name())
            .or_else(debian)
            .or_else(level)
    }

    /// The architecture whose ELF files carry that `e_machine`.
    pub fn from_elf_machine(machine: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.elf_machine() == machine)
    }
}
