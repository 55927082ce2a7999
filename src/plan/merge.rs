//! The container's sections and the mapping's → one section (upstream `internal/module/kernelmapper.go`).

use super::build_args::overridden;
use crate::api::FieldError;
use crate::api::module::{Build, Container, KernelMapping, Sign};
use crate::kernel::{Template, Variables};

/// The build section of a mapping over the container's.
///
/// Upstream ignores a mapping's selector where both sections are set; here it counts, as its owner will expect.
pub(super) fn build(container: Option<&Build>, mapping: Option<&Build>) -> Option<Build> {
    let (Some(container), Some(mapping)) = (container, mapping) else {
        return container.or(mapping).cloned();
    };
    let mut merged = container.clone();
    if !mapping.dockerfile_config_map.name.is_empty() {
        merged.dockerfile_config_map = mapping.dockerfile_config_map.clone();
    }
    merged.build_args = overridden(&container.build_args, &mapping.build_args);
    merged.secrets.extend(mapping.secrets.iter().cloned());
    if mapping.selector.is_some() {
        merged.selector.clone_from(&mapping.selector);
    }
    Some(merged)
}

/// The sign section of a mapping over the container's.
pub(super) fn sign(container: Option<&Sign>, mapping: Option<&Sign>) -> Option<Sign> {
    let (Some(container), Some(mapping)) = (container, mapping) else {
        return container.or(mapping).cloned();
    };
    let mut merged = container.clone();
    if mapping.unsigned_image.as_deref().is_some_and(|image| !image.is_empty()) {
        merged.unsigned_image.clone_from(&mapping.unsigned_image);
    }
    if !mapping.key_secret.name.is_empty() {
        merged.key_secret = mapping.key_secret.clone();
    }
    if !mapping.cert_secret.name.is_empty() {
        merged.cert_secret = mapping.cert_secret.clone();
    }
    merged.files_to_sign.extend(mapping.files_to_sign.iter().cloned());
    Some(merged)
}

/// Fills in the templates of a merged sign section.
pub(super) fn fill_in(mut sign: Sign, variables: &Variables) -> Result<Sign, FieldError> {
    let expand = |path: String, text: &str| {
        Template::expand(text, variables).map_err(|why| FieldError::new(path, why.to_string()))
    };
    if let Some(unsigned) = &mut sign.unsigned_image {
        *unsigned = expand("sign.unsignedImage".to_owned(), unsigned)?;
    }
    for (at, file) in sign.files_to_sign.iter_mut().enumerate() {
        *file = expand(format!("sign.filesToSign[{at}]"), file)?;
    }
    Ok(sign)
}

/// The in-tree modules to unload first: the mapping's list if it has one, else the container's; the deprecated single
/// name, where it is set, replaces the list.
pub(super) fn in_tree_to_remove(container: &Container, mapping: &KernelMapping) -> Vec<String> {
    let single = [&mapping.in_tree_module_to_remove, &container.in_tree_module_to_remove];
    let single = single.into_iter().flatten().find(|name| !name.is_empty());
    let list = mapping
        .in_tree_modules_to_remove
        .as_ref()
        .or(container.in_tree_modules_to_remove.as_ref());
    single.map_or_else(|| list.cloned().unwrap_or_default(), |name| vec![name.clone()])
}
