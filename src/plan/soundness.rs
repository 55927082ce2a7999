//! What in a Module would keep KMM from using it. Its own webhook refuses most of this (upstream
//! `internal/webhook/module.go`), but a Module in a file has never met a webhook.

use crate::api::FieldError;
use crate::api::module::{Build, Container, KernelMapping, Modprobe, Sign};

/// The path of the container section.
pub(super) const CONTAINER: &str = "spec.moduleLoader.container";

/// The path of a kernel mapping.
pub(super) fn mapping_path(at: usize) -> String {
    format!("{CONTAINER}.kernelMappings[{at}]")
}

/// Characters that a shell gives a meaning of its own. KMM puts folders into a shell command without quotes.
const SHELL: [char; 20] = [
    '\'', '"', '`', '$', '\\', ';', '&', '|', '<', '>', '(', ')', '{', '}', '!', '#', '~', '*', '?', '[',
];

/// What is wrong with a modprobe section.
pub(super) fn modprobe(modprobe: &Modprobe) -> Vec<FieldError> {
    let path = |field: &str| format!("{CONTAINER}.modprobe.{field}");
    let mut problems = Vec::new();
    let name = modprobe.module_name.as_deref().unwrap_or_default();
    let has_raw = modprobe
        .raw_args
        .as_ref()
        .is_some_and(|raw| !raw.load.is_empty() && !raw.unload.is_empty());
    match (name.is_empty(), &modprobe.raw_args) {
        (true, _) if !has_raw => {
            let message = "load and unload rawArgs must be set when moduleName is unset";
            problems.push(FieldError::new(path("moduleName"), message));
        }
        (false, Some(_)) => {
            problems.push(FieldError::new(
                path("rawArgs"),
                "rawArgs cannot be set when moduleName is set",
            ));
        }
        _ => {}
    }
    problems.extend(loading_order(name, &modprobe.modules_loading_order));
    let folders = [
        ("dirName", Some(&modprobe.dir_name)),
        ("firmwarePath", modprobe.firmware_path.as_ref()),
    ];
    for (field, folder) in folders {
        if folder.is_some_and(|folder| folder.contains(|c: char| c.is_whitespace() || SHELL.contains(&c))) {
            let message =
                "must have no white space and no shell characters: KMM puts it into a shell command as it stands";
            problems.push(FieldError::new(path(field), message));
        }
    }
    problems
}

fn loading_order(name: &str, order: &[String]) -> Option<FieldError> {
    let mut seen = std::collections::BTreeSet::new();
    let twice = order.iter().find(|module| !seen.insert(module.as_str()));
    let message = match order {
        [] => return None,
        _ if name.is_empty() => "cannot be set when moduleName is unset".to_owned(),
        [_] => "must have at least two values".to_owned(),
        [first, ..] if first != name => "the first element must be moduleName".to_owned(),
        _ => format!("has the duplicate value {}", twice?),
    };
    Some(FieldError::new(
        format!("{CONTAINER}.modprobe.modulesLoadingOrder"),
        message,
    ))
}

/// What is wrong with the mapping that matched, and with what it shares with the container.
pub(super) fn mapping(container: &Container, at: usize, mapping: &KernelMapping) -> Vec<FieldError> {
    let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let mut problems = Vec::new();
    if is_set(&mapping.literal) && is_set(&mapping.regexp) {
        problems.push(FieldError::new(
            mapping_path(at),
            "regexp and literal are mutually exclusive properties at kernelMappings",
        ));
    }
    let single = is_set(&container.in_tree_module_to_remove) || is_set(&mapping.in_tree_module_to_remove);
    let list = container.in_tree_modules_to_remove.is_some() || mapping.in_tree_modules_to_remove.is_some();
    if single && list {
        problems.push(FieldError::new(
            format!("{CONTAINER}.inTreeModulesToRemove"),
            "cannot be set together with the deprecated inTreeModuleToRemove",
        ));
    }
    problems
}

/// What is wrong with a merged sign section.
pub(super) fn sign(sign: &Sign, build: Option<&Build>, dir_name: &str) -> Vec<FieldError> {
    let path = |field: &str| format!("{CONTAINER}.sign.{field}");
    let mut problems = Vec::new();
    for (field, secret) in [("keySecret", &sign.key_secret), ("certSecret", &sign.cert_secret)] {
        if secret.name.is_empty() {
            problems.push(FieldError::new(path(field), "must name a Secret"));
        }
    }
    if build.is_none() && sign.unsigned_image.as_deref().is_none_or(str::is_empty) {
        let message = "must be set where there is no build section: there is no image to sign";
        problems.push(FieldError::new(path("unsignedImage"), message));
    }
    for (at, file) in sign.files_to_sign.iter().enumerate() {
        problems
            .extend(file_to_sign(file, dir_name).map(|why| FieldError::new(path(&format!("filesToSign[{at}]")), why)));
    }
    problems
}

/// A path below `dirName`; globs are fine, but upstream puts it into a Dockerfile's `RUN` line as it stands.
fn file_to_sign(file: &str, dir_name: &str) -> Option<String> {
    let dir_name = dir_name.trim_end_matches('/');
    let is_glob = |c: char| matches!(c, '*' | '?' | '[');
    if !file.strip_prefix(dir_name).is_some_and(|rest| rest.starts_with('/')) {
        Some(format!("`{file}` must start with `{dir_name}/`"))
    } else if file.split('/').any(|part| part == "..") {
        Some(format!("`{file}` must not lead out of its folder through `..`"))
    } else if file.contains(|c: char| c.is_whitespace() || c.is_control() || (SHELL.contains(&c) && !is_glob(c))) {
        Some(format!(
            "{file:?} must have no white space and no shell characters but `*`, `?` and `[…]`"
        ))
    } else {
        None
    }
}
