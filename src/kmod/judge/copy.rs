//! KMM's first step: its init container runs `sh`, `mkdir` and `cp` of the module image
//! (upstream `internal/pod/workerpodmanager.go: addCopyCommand`).

use crate::api::{Finding, Rule};
use crate::kernel::Architecture;
use crate::kmod::load::Load;
use crate::kmod::staged::{Program, StagedFolder, StagedImage, Tool};

/// `e_machine` of 32-bit x86 and of 32-bit ARM, whose programs 64-bit kernels may run.
const EM_386: u16 = 3;
const EM_ARM: u16 = 40;

/// Everything that can go wrong before modprobe runs, in the order of the commands.
pub(super) fn check(staged: &StagedImage, load: &Load, architecture: Option<Architecture>) -> Vec<Finding> {
    let mut findings = tools(staged, architecture);
    findings.extend(folder(&staged.folder, load));
    findings.extend(firmware(staged));
    findings.extend(modprobe_config(staged));
    findings.extend(
        staged
            .unread
            .iter()
            .map(|sentence| Finding::warns(Rule::FileNotRead, sentence)),
    );
    findings
}

/// Without one of the three programs the init container fails, and the worker never starts.
fn tools(staged: &StagedImage, architecture: Option<Architecture>) -> Vec<Finding> {
    let tools = [("sh", staged.sh), ("mkdir", staged.mkdir), ("cp", staged.cp)];
    let missing: Vec<&str> = tools
        .iter()
        .filter(|(_, tool)| *tool == Tool::Missing)
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "the image has no {}, and KMM copies the modules out of it with the image's own sh, mkdir and cp; \
             build it from a base image that has them, such as ubi-minimal or busybox",
            missing.join(", no ")
        );
        return vec![Finding::decides(Rule::CopyToolMissing, message)];
    }
    if let Some((name, what)) = tools
        .iter()
        .find_map(|(name, tool)| Some((name, no_program(name, *tool)?)))
    {
        let message = format!(
            "the image's {name} {what}, and KMM copies the modules out of the image with its own sh, mkdir and cp; build \
             it from a base image that has them, such as ubi-minimal or busybox"
        );
        return vec![Finding::decides(Rule::CopyToolMissing, message)];
    }
    let foreign = tools
        .iter()
        .find_map(|(name, tool)| foreign_tool(name, *tool, architecture?));
    foreign.into_iter().collect()
}

/// What a file is instead of a program. A container's runtime executes `sh` by itself (runc `libcontainer/system/linux.go:
/// Exec`), and gives up where the kernel answers `ENOEXEC`; what the shell executes then may as well be a script without
/// `#!`, but an empty one does nothing.
fn no_program(name: &str, tool: Tool) -> Option<&'static str> {
    match tool {
        Tool::Present(Program::Empty) => Some("is an empty file"),
        Tool::Present(Program::Other) if name == "sh" => {
            Some("is neither an ELF file nor a script that begins with #!")
        }
        _ => None,
    }
}

/// A program for another processor ends with `exec format error`.
fn foreign_tool(name: &str, tool: Tool, wanted: Architecture) -> Option<Finding> {
    let Tool::Present(Program::Elf(machine)) = tool else {
        return None;
    };
    let wanted_name = wanted.go_name();
    match (machine, wanted) {
        (machine, _) if machine == wanted.elf_machine() => None,
        (EM_386, Architecture::X86_64) => None,
        (EM_ARM, Architecture::Aarch64) => Some(Finding::warns(
            Rule::ImageArchitecture,
            format!(
                "the image's {name} is a 32-bit ARM program, which not every {wanted_name} kernel and processor runs"
            ),
        )),
        _ => {
            let is = Architecture::from_elf_machine(machine)
                .map_or_else(|| format!("ELF machine {machine}"), |arch| arch.go_name().to_owned());
            Some(Finding::decides(
                Rule::ImageArchitecture,
                format!(
                    "the image's {name} is for {is}, but the target kernel is for {wanted_name}; build the image for \
                     {wanted_name}"
                ),
            ))
        }
    }
}

fn folder(folder: &StagedFolder, load: &Load) -> Option<Finding> {
    let place = load.image_folder();
    match folder {
        StagedFolder::Folder(_) => None,
        // The link is copied as a link, and modprobe follows it on the node.
        StagedFolder::Link { target } if load.is_node_folder(target) => None,
        StagedFolder::Missing { other_kernels } => Some(folder_missing(&place, other_kernels, load)),
        StagedFolder::Link { target } => Some(Finding::decides(
            Rule::KernelFolderLink,
            format!(
                "{place} is a link to {target}: cp -R copies the link and not what it leads to, so modprobe finds \
                 nothing there; make it a folder"
            ),
        )),
        StagedFolder::NotAFolder => Some(Finding::decides(
            Rule::KernelFolderMissing,
            format!("{place} is a file; make it a folder"),
        )),
        StagedFolder::Unread(why) => Some(Finding::warns(
            Rule::FileNotRead,
            format!(
                "{place} was not looked into: {why}. Whether the module in it loads was not checked; let everybody read \
                 it, as in chmod -R a+rX"
            ),
        )),
    }
}

fn folder_missing(place: &str, other_kernels: &[String], load: &Load) -> Finding {
    const NAMED: usize = 5;
    let kernel = load.copied_kernel();
    let there = match other_kernels {
        [] => "and there is no folder for another kernel either".to_owned(),
        named if named.len() <= NAMED => format!("it has modules for {}", named.join(", ")),
        many => {
            let named = many.get(..NAMED).unwrap_or_default().join(", ");
            format!(
                "it has modules for {named} and {} more kernels",
                many.len().saturating_sub(NAMED)
            )
        }
    };
    Finding::decides(
        Rule::KernelFolderMissing,
        format!("the image has no folder {place}; {there}; build the image for {kernel}"),
    )
}

/// `cp -R <firmwarePath>/*` fails where the pattern matches nothing, and with it the init container, whose last
/// command it is.
fn firmware(staged: &StagedImage) -> Option<Finding> {
    (staged.firmware == Some(false)).then(|| {
        Finding::decides(
            Rule::FirmwareMissing,
            "firmwarePath names a folder that is missing or empty in the image, and KMM's copy of it fails; put the \
             firmware there, or remove firmwarePath",
        )
    })
}

fn modprobe_config(staged: &StagedImage) -> Option<Finding> {
    staged.has_modprobe_config.then(|| {
        Finding::informs(
            Rule::ModprobeConfigIgnored,
            "the image has a modprobe.d folder, which never reaches the node; say the same with parameters, \
             modulesLoadingOrder or args of the Module",
        )
    })
}
