//! modprobe's arguments: do they load anything, and from where (kmod `tools/modprobe.c: do_modprobe`)?

use crate::api::{Finding, Rule};
use crate::kmod::load::{Load, LoadCommand};
use crate::kmod::modprobe::{Command, Instead, path_given};
use crate::kmod::paths::clean;
use crate::kmod::toolkit::InTree;

/// Where modprobe looks for modules.
pub(super) enum Searched {
    /// In the folder that KMM has copied out of the image.
    Copy,
    /// In the node's own `/lib/modules/<kernel>`.
    Node,
}

/// KMM's command line (upstream `internal/worker/worker.go: LoadKmod`), as modprobe understands it.
pub(super) fn command(load: &Load) -> Result<Command, Finding> {
    let args = match &load.command {
        LoadCommand::Named {
            module,
            args,
            parameters,
        } => {
            let own = ["-vd".to_owned(), load.copy_root()];
            own.iter()
                .chain(args)
                .chain([module])
                .chain(parameters)
                .cloned()
                .collect()
        }
        LoadCommand::Raw(args) => args.clone(),
    };
    let line = || format!("modprobe {}", args.join(" "));
    let command = Command::parse(&args).map_err(|why| {
        Finding::decides(
            Rule::ModprobeArguments,
            format!("modprobe refuses `{}`: {why}; correct the arguments", line()),
        )
    })?;
    let instead = match command.instead {
        None => return Ok(command),
        Some(Instead::Removes) => "unloads modules",
        Some(Instead::LooksUp) => "only looks the module up",
        Some(Instead::Prints) => "only prints something",
    };
    let message = format!(
        "`{}` loads nothing: it {instead}; remove that option from the arguments",
        line()
    );
    Err(Finding::decides(Rule::ModprobeArguments, message))
}

/// Which folder is searched, or why it has nothing.
pub(super) fn searched(command: &Command, load: &Load) -> Result<Searched, Finding> {
    let root = command.root.as_deref().unwrap_or_default();
    let kernel = command.kernel.as_deref().unwrap_or(&load.kernel);
    let folder = clean(&format!("{root}/lib/modules/{kernel}"));
    if folder == load.copied_folder() {
        return Ok(Searched::Copy);
    }
    let copied = load.copied_folder();
    if folder == format!("{copied}+") {
        return Err(Finding::decides(
            Rule::KernelFolderPlus,
            format!(
                "{} ends in +: KMM copies the folder {}, but modprobe opens {folder}; add -S {} to args.load",
                load.kernel,
                load.copied_kernel(),
                load.copied_kernel()
            ),
        ));
    }
    if folder == clean(&format!("/lib/modules/{}", load.kernel)) {
        return Ok(Searched::Node);
    }
    Err(Finding::decides(
        Rule::ModprobeArguments,
        format!(
            "modprobe is told to search {folder}, but KMM's copy of the modules is {copied}; use -d {} and no -S",
            load.copy_root()
        ),
    ))
}

/// How it comes that modprobe searches the node's own modules.
#[derive(Clone, Copy)]
pub(super) enum NodeSearch {
    /// It is not told of the copy.
    Told,
    /// The copy is a link to them.
    Linked,
}

/// modprobe searches the node's own modules: nothing of the image is loaded.
pub(super) fn in_node_folder(
    command: &Command,
    load: &Load,
    in_tree: Option<&InTree>,
    search: NodeSearch,
) -> Vec<Finding> {
    let asked = if command.all {
        command.words.as_slice()
    } else {
        command.words.get(..1).unwrap_or_default()
    };
    let (why, mend) = match search {
        NodeSearch::Told => (
            "without -d, modprobe searches the node's own /lib/modules",
            format!("add -d {} to rawArgs.load", load.copy_root()),
        ),
        NodeSearch::Linked => (
            "the copied folder is a link, by which modprobe searches the node's own /lib/modules",
            format!("make {} a folder", load.image_folder()),
        ),
    };
    let one = |word: &String| match in_tree {
        Some(tree) if tree.module(word).is_none() && !tree.is_builtin(word) && is_name(word) => Finding::decides(
            Rule::ModuleNotFound,
            format!("{why}, and {} has no in-tree module {word}; {mend}", load.kernel),
        ),
        _ => Finding::warns(
            Rule::ModprobeArguments,
            format!("{why} for {word}: nothing of the image is loaded; {mend}"),
        ),
    };
    let one = |word: &String| path_given(word).unwrap_or_else(|| one(word).of_symbol(word));
    asked.iter().map(one).collect()
}

/// Whether a word can only be a module's name: aliases have a colon, or are paths.
fn is_name(word: &str) -> bool {
    !word.contains([':', '/'])
}
