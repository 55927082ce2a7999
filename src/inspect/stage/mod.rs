//! What KMM's copy step finds in an image.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::layer::{Content, matters};
use super::tree::{Dir, Found, MergedTree};
use crate::kmod::staged::{Entry, Folder, Program, StagedFolder, StagedImage, Tool};

/// Where programs are looked for: the `PATH` that container runtimes give to an image without one of its own.
/// The image's configuration, which may set another, is not fetched: a request for each image would cost more
/// than it tells.
const PATH: [&str; 6] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

/// What KMM will copy out of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRequest {
    /// `dirName`.
    pub dir_name: String,
    /// The name of the kernel's folder below `<dirName>/lib/modules`.
    pub kernel_folder: String,
    /// `firmwarePath`, where one is set.
    pub firmware_path: Option<String>,
}

impl MergedTree {
    /// What KMM's copy step finds in this image.
    pub fn stage(&self, request: &StageRequest) -> StagedImage {
        StagedImage {
            sh: self.tool("bin/sh"),
            mkdir: self.program("mkdir"),
            cp: self.program("cp"),
            folder: self.staged_folder(request),
            has_modprobe_config: self.has_modprobe_config(&request.dir_name),
            firmware: request
                .firmware_path
                .as_deref()
                .and_then(|path| self.has_firmware(path)),
            unread: self.unread(request),
        }
    }

    /// What the copy step needs and nobody could look at, as sentences. Of the kernel's own folder [`StagedFolder`] tells.
    fn unread(&self, request: &StageRequest) -> Vec<String> {
        let tools = PATH.map(|folder| (format!("/{folder}"), "whether sh, mkdir and cp are there"));
        let firmware = request.firmware_path.iter();
        let firmware = firmware.map(|path| (path.clone(), "whether there is firmware to copy"));
        let sentence = |(path, question): (String, &str)| match self.resolve(&path)? {
            Found::Closed(why) => Some(format!("{path} was not looked into: {why}; not checked: {question}")),
            _ => None,
        };
        tools.into_iter().chain(firmware).filter_map(sentence).collect()
    }

    fn program(&self, name: &str) -> Tool {
        let found = PATH.iter().map(|folder| self.tool(&format!("{folder}/{name}")));
        found
            .into_iter()
            .find(|tool| *tool != Tool::Missing)
            .unwrap_or(Tool::Missing)
    }

    fn tool(&self, path: &str) -> Tool {
        match self.resolve(path) {
            Some(Found::File { program, .. }) => Tool::Present(program),
            // Nobody knows; `unread` says so.
            Some(Found::Closed(_)) => Tool::Present(Program::Unknown),
            _ => Tool::Missing,
        }
    }

    /// `cp -R` follows links above the folder that it is told to copy, and copies that folder itself as it is.
    fn staged_folder(&self, request: &StageRequest) -> StagedFolder {
        let above = format!("{}/lib/modules", request.dir_name);
        if let Some(Found::Closed(why)) = self.resolve(&above) {
            return StagedFolder::Unread(why.to_owned());
        }
        let modules = self.dir(&above);
        let found = modules.as_ref().and_then(|dir| self.child(dir, &request.kernel_folder));
        match found {
            Some(Found::Dir(dir)) => StagedFolder::Folder(Arc::new(self.folder(&dir))),
            Some(Found::Link(target)) => StagedFolder::Link {
                target: target.to_owned(),
            },
            Some(Found::Closed(why)) => StagedFolder::Unread(why.to_owned()),
            Some(_) => StagedFolder::NotAFolder,
            None => StagedFolder::Missing {
                other_kernels: modules.map_or_else(Vec::new, |dir| self.folders(&dir)),
            },
        }
    }

    fn folders(&self, dir: &Dir) -> Vec<String> {
        let children = self.children(dir).into_iter();
        children
            .filter(|(_, found)| matches!(found, Found::Dir(_)))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// Everything below a folder, as `cp -R` copies it: links stay links.
    fn folder(&self, dir: &Dir) -> Folder {
        let mut entries = BTreeMap::new();
        self.walk(dir, |path, found| {
            if let Some(entry) = entry(path, found) {
                entries.insert(path.to_owned(), entry);
            }
        });
        Folder { entries }
    }

    /// KMM copies `<firmwarePath>/*`: the shell leaves out names that begin with a dot. `None` where nobody knows.
    fn has_firmware(&self, path: &str) -> Option<bool> {
        match self.resolve(path) {
            Some(Found::Closed(_)) => None,
            Some(Found::Dir(dir)) => Some(self.children(&dir).iter().any(|(name, _)| !name.starts_with('.'))),
            _ => Some(false),
        }
    }

    /// Only folders where an image's author puts files: those of `/usr/lib` belong to the distribution, whose
    /// authors do not expect them to reach a node.
    fn has_modprobe_config(&self, dir_name: &str) -> bool {
        let own = ["/etc/modprobe.d", "/lib/modprobe.d"].map(|folder| format!("{dir_name}{folder}"));
        let mut folders = own.iter().map(String::as_str).chain(["/etc/modprobe.d"]);
        folders.any(|folder| self.dir(folder).is_some_and(|dir| self.has_config(&dir)))
    }

    /// Of a `modprobe.d`, modprobe reads the files that end in `.conf` (kmod `libkmod-config: conf_files_filter_out`).
    fn has_config(&self, dir: &Dir) -> bool {
        let is_config = |name: &str| Path::new(name).extension().is_some_and(|suffix| suffix == "conf");
        self.children(dir).iter().any(|(name, _)| is_config(name))
    }
}

fn entry(path: &str, found: &Found<'_>) -> Option<Entry> {
    match found {
        Found::Dir(_) => None,
        Found::Link(target) => Some(Entry::Link((*target).to_owned())),
        Found::File {
            content: Some(content), ..
        } => Some(known(content)),
        Found::File { content: None, .. } if matters(path) => Some(Entry::Unread(
            "it is a hard link to a file of another name, of which nothing was kept".to_owned(),
        )),
        Found::Closed(why) => Some(Entry::Unread((*why).to_owned())),
        Found::File { content: None, .. } | Found::Other => Some(Entry::Other),
    }
}

fn known(content: &Content) -> Entry {
    match content {
        Content::Module(file) => Entry::Module(Arc::clone(file)),
        Content::Index(bytes) => Entry::Index(Arc::clone(bytes)),
        Content::TooLarge(size) => Entry::TooLarge(*size),
        Content::Unreadable(why) => Entry::Unread(why.clone()),
        _ => Entry::Other,
    }
}

#[cfg(test)]
mod tests;
