//! What modprobe would stumble over, in words.

use super::names::file_name_to_module;
use crate::api::{Finding, Rule};
use crate::kmod::staged::{Entry, Reached};

/// A module whose path leads to nothing that the kernel could be given.
pub(super) fn lost(path: &str, reached: &Reached<'_>) -> Finding {
    let (rule, advice) = match reached {
        Reached::File {
            entry: Entry::TooLarge(_),
            ..
        } => {
            let message = format!(
                "{path} is larger than this program reads, so nobody can say that it loads; strip it (strip --strip-debug)"
            );
            return Finding::decides(Rule::FileTooLarge, message).in_file(path);
        }
        Reached::File {
            entry: Entry::Unread(why),
            ..
        } => return not_read(path, why, "the kernel takes it"),
        Reached::Outside(_) | Reached::Loop => (
            Rule::LinkLeavesFolder,
            "copy the file itself into the folder instead of a link",
        ),
        _ => (
            Rule::ModuleFileMissing,
            "put the file there, or run depmod again after the files have moved",
        ),
    };
    Finding::decides(
        rule,
        format!("modules.dep.bin names {path}, {}; {advice}", where_to(reached)),
    )
    .in_file(path)
}

/// A file that is there, but of which nothing is known.
pub(super) fn not_read(path: &str, why: &str, question: &str) -> Finding {
    let message = format!(
        "{path} was not read: {why}. Whether {question} was not checked; have it in the image as a file of its own"
    );
    Finding::warns(Rule::FileNotRead, message).in_file(path)
}

pub(super) fn where_to(reached: &Reached<'_>) -> String {
    match reached {
        Reached::Outside(place) => {
            format!("a link that leads to {place}, which the node does not have")
        }
        Reached::Loop => "a link that leads to itself".to_owned(),
        Reached::Folder => "which is a folder".to_owned(),
        Reached::Node(below) => {
            format!("which leads to /lib/modules/{below}, and the target kernel has no such file")
        }
        Reached::File { .. } => "which is not a file that can be loaded".to_owned(),
        Reached::Nothing => "which is not in the folder that KMM copies".to_owned(),
    }
}

pub(super) fn builtin(name: &str) -> Finding {
    Finding::decides(
        Rule::ModuleBuiltin,
        format!(
            "the image's own modules.builtin.bin says that {name} is built into the kernel, so modprobe answers \
             success without loading anything; remove modules.builtin from the folder and run depmod again"
        ),
    )
    .of_symbol(name)
}

pub(super) fn soft_missing(module: &str, pre: &str) -> Finding {
    Finding::warns(
        Rule::SoftDependencyMissing,
        format!(
            "modulesLoadingOrder wants {pre} before {module}, but the image has no such module; modprobe ignores it; put \
             it into the image, or leave it out of modulesLoadingOrder"
        ),
    )
    .of_symbol(pre)
}

/// A path where a name belongs. Before kmod 31 it is looked up as if it were a name, and nothing is called so
/// (`tools/modprobe.c: insmod`).
pub fn path_given(word: &str) -> Option<Finding> {
    if !word.starts_with('/') && !word.starts_with("./") {
        return None;
    }
    let name = file_name_to_module(word);
    let message = format!(
        "modprobe takes a path such as {word} only since kmod 31, and KMM's worker has an earlier one (assumed: kmod 28 of \
         UBI 9); write the module's name, {name}, instead"
    );
    Some(Finding::decides(Rule::ModuleNotFound, message).of_symbol(name))
}

pub(super) fn too_many_needs(name: &str, most: usize) -> Finding {
    let message = format!(
        "modules.dep.bin names more than {most} dependencies; those of {name} were not checked; run depmod again"
    );
    Finding::warns(Rule::NotChecked, message).of_symbol(name)
}
