//! One Module on one kernel: which image, which modprobe call, what to build and sign
//! (upstream `internal/module/kernelmapper.go`).
//!
//! KMM takes a node's kernel without one trailing `+`, and matches, substitutes and copies by that
//! (`internal/controllers/module_reconciler.go`). So does this.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use kube::ResourceExt;

use super::work::{IMAGE_CHECK, LookBy};
use super::{merge, soundness};
use crate::api::FieldError;
use crate::api::module::{Build, Container, KernelMapping, Modprobe, Module, RegistryTls, Sign};
use crate::image::Reference;
use crate::kernel::{Architecture, GoRegexp, KernelVersion, Template, Variables};
use crate::kmod::load::{Load, LoadCommand, LoadedModules, SignaturePolicy};
use crate::kmod::paths::clean;

/// The label by which nodes tell their architecture.
const ARCHITECTURE_LABEL: &str = "kubernetes.io/arch";
/// Taints that every KMM pod tolerates (upstream `internal/module/helper.go`).
const TOLERATED: [&str; 3] = [
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
];

/// What a Module comes to on a kernel.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// It loads no kernel module there: it only brings a device plugin, or wants nodes of another architecture.
    NothingToLoad,
    /// None of its kernel mappings matches.
    NoMapping {
        /// How many mappings it has.
        mappings: usize,
        /// The kernel they were matched with.
        kernel: String,
    },
    /// KMM could not use it, for these reasons.
    Invalid(Vec<FieldError>),
    /// An image, and how to load from it.
    Target(Box<Target>),
}

/// One Module, resolved for one kernel.
#[derive(Clone, Debug)]
pub struct Target {
    /// The Module's namespace.
    pub namespace: String,
    /// The Module's name.
    pub name: String,
    /// The target kernel.
    pub kernel: KernelVersion,
    /// Its architecture, by the kernel's name, else by the Module's selector.
    pub architecture: Option<Architecture>,
    /// The module image.
    pub image: Reference,
    /// The module image, as a node is told to pull it.
    pub image_text: String,
    /// When a node pulls it, where the Module says so.
    pub pull_policy: Option<String>,
    /// How to talk to its registry.
    pub registry_tls: RegistryTls,
    /// The Secret with the credentials for it, in the Module's namespace.
    pub pull_secret: Option<String>,
    /// The service account whose pull secrets count where the Module names none.
    pub service_account: Option<String>,
    /// How to build it, both sections merged.
    pub build: Option<Build>,
    /// How to sign it, both sections merged and its templates filled in.
    pub sign: Option<Sign>,
    /// What modprobe is told.
    pub modprobe: Modprobe,
    /// In-tree modules that KMM unloads first.
    pub in_tree_to_remove: Vec<String>,
    /// Labels of the nodes it runs on.
    pub selector: BTreeMap<String, String>,
    /// Taints it tolerates, KMM's own among them.
    pub tolerations: Vec<Toleration>,
    /// How its image is looked at, where the Module says so ([`IMAGE_CHECK`]).
    pub look_by: Option<LookBy>,
}

/// Resolves a Module for a kernel.
pub fn resolve(module: &Module, kernel: &KernelVersion) -> Resolution {
    let Some(loader) = &module.spec.module_loader else {
        return Resolution::NothingToLoad;
    };
    if is_for_other_nodes(module, kernel) {
        return Resolution::NothingToLoad;
    }
    let container = &loader.container;
    match find_mapping(container, kernel.without_plus()) {
        Err(problem) => Resolution::Invalid(vec![problem]),
        Ok(None) => Resolution::NoMapping {
            mappings: container.kernel_mappings.len(),
            kernel: kernel.without_plus().to_owned(),
        },
        Ok(Some((at, mapping))) => match target(module, kernel, at, mapping) {
            Ok(target) => Resolution::Target(Box::new(target)),
            Err(problems) => Resolution::Invalid(problems),
        },
    }
}

/// Whether its selector wants nodes of another architecture than the kernel has: no such node will run this kernel.
fn is_for_other_nodes(module: &Module, kernel: &KernelVersion) -> bool {
    let selected = selected_architecture(&module.spec.selector);
    selected
        .zip(kernel.architecture())
        .is_some_and(|(selected, own)| selected != own)
}

/// The first mapping that matches (`kernelmapper.go: findKernelMapping`). A regexp after it is never looked at.
fn find_mapping<'a>(container: &'a Container, kernel: &str) -> Result<Option<(usize, &'a KernelMapping)>, FieldError> {
    for (at, mapping) in container.kernel_mappings.iter().enumerate() {
        if mapping
            .literal
            .as_deref()
            .is_some_and(|literal| !literal.is_empty() && literal == kernel)
        {
            return Ok(Some((at, mapping)));
        }
        let Some(regexp) = mapping.regexp.as_deref().filter(|regexp| !regexp.is_empty()) else {
            continue;
        };
        let regexp = GoRegexp::new(regexp)
            .map_err(|why| FieldError::new(format!("{}.regexp", soundness::mapping_path(at)), why.to_string()))?;
        if regexp.is_match(kernel) {
            return Ok(Some((at, mapping)));
        }
    }
    Ok(None)
}

fn target(
    module: &Module,
    kernel: &KernelVersion,
    at: usize,
    mapping: &KernelMapping,
) -> Result<Target, Vec<FieldError>> {
    let loader = module.spec.module_loader.clone().unwrap_or_default();
    let container = &loader.container;
    let variables = variables(module, kernel);
    let mut problems = soundness::modprobe(&container.modprobe);
    problems.extend(soundness::mapping(container, at, mapping));
    let image = image(container, at, mapping, &variables).map_err(|problem| problems.push(problem));
    let sign = merge::sign(container.sign.as_ref(), mapping.sign.as_ref())
        .map(|sign| merge::fill_in(sign, &variables))
        .transpose()
        .map_err(|problem| problems.push(problem));
    let look_by = look_by(module)
        .map_err(|problem| problems.push(problem))
        .unwrap_or_default();
    let build = merge::build(container.build.as_ref(), mapping.build.as_ref());
    if let Ok(Some(sign)) = &sign {
        problems.extend(soundness::sign(sign, build.as_ref(), &container.modprobe.dir_name));
    }
    let (Ok((image_text, image)), Ok(sign), true) = (image, sign, problems.is_empty()) else {
        return Err(problems);
    };
    Ok(Target {
        namespace: module.namespace().unwrap_or_default(),
        name: module.name_any(),
        architecture: kernel
            .architecture()
            .or_else(|| selected_architecture(&module.spec.selector)),
        kernel: kernel.clone(),
        image,
        image_text,
        pull_policy: container.image_pull_policy.clone().filter(|policy| !policy.is_empty()),
        registry_tls: mapping.registry_tls.or(container.registry_tls).unwrap_or_default(),
        pull_secret: module.spec.image_repo_secret.as_ref().map(|secret| secret.name.clone()),
        service_account: loader.service_account_name.clone(),
        build,
        sign,
        modprobe: Modprobe {
            dir_name: clean(&container.modprobe.dir_name),
            ..container.modprobe.clone()
        },
        in_tree_to_remove: merge::in_tree_to_remove(container, mapping),
        selector: module.spec.selector.clone(),
        tolerations: tolerations(module),
        look_by,
    })
}

/// The variables of templates. Upstream leaves the Module's name out where signing is concerned; here every template
/// has them all.
fn variables(module: &Module, kernel: &KernelVersion) -> Variables {
    let components = kernel.components();
    let of_kernel = components
        .variables()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let of_module = [
        ("MOD_NAME", module.name_any()),
        ("MOD_NAMESPACE", module.namespace().unwrap_or_default()),
    ];
    of_kernel
        .chain(of_module.map(|(name, value)| (name.to_owned(), value)))
        .collect()
}

fn image(
    container: &Container,
    at: usize,
    mapping: &KernelMapping,
    variables: &Variables,
) -> Result<(String, Reference), FieldError> {
    let of_mapping = mapping.container_image.as_deref().filter(|image| !image.is_empty());
    let of_container = container.container_image.as_deref().filter(|image| !image.is_empty());
    let (path, text) = match (of_mapping, of_container) {
        (Some(text), _) => (format!("{}.containerImage", soundness::mapping_path(at)), text),
        (None, Some(text)) => (format!("{}.containerImage", soundness::CONTAINER), text),
        (None, None) => {
            let path = format!("{}.containerImage", soundness::mapping_path(at));
            return Err(FieldError::new(
                path,
                "is missing, and the container has no containerImage either",
            ));
        }
    };
    let filled = Template::expand(text, variables).map_err(|why| FieldError::new(&path, why.to_string()))?;
    let reference = Reference::parse(&filled).map_err(|why| FieldError::new(&path, why.to_string()))?;
    if reference.tag().is_none() && reference.digest().is_none() {
        return Err(FieldError::new(path, format!("`{filled}` must name a tag or a digest")));
    }
    Ok((filled, reference))
}

fn look_by(module: &Module) -> Result<Option<LookBy>, FieldError> {
    let Some(text) = module.annotations().get(IMAGE_CHECK) else {
        return Ok(None);
    };
    let wrong = || {
        FieldError::new(
            format!("metadata.annotations[{IMAGE_CHECK}]"),
            format!("must be {}", LookBy::WORDS),
        )
    };
    LookBy::named(text).map(Some).ok_or_else(wrong)
}

fn selected_architecture(selector: &BTreeMap<String, String>) -> Option<Architecture> {
    selector
        .get(ARCHITECTURE_LABEL)
        .and_then(|name| Architecture::from_name(name))
}

fn tolerations(module: &Module) -> Vec<Toleration> {
    let internal = TOLERATED.map(|key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    });
    module.spec.tolerations.iter().cloned().chain(internal).collect()
}

impl Target {
    /// Whether KMM could make the image itself: there is a build or a sign section.
    pub const fn can_be_made(&self) -> bool {
        self.build.is_some() || self.sign.is_some()
    }

    /// What modprobe is asked to load, for messages.
    pub fn what_loads(&self) -> String {
        match (&self.modprobe.module_name, &self.modprobe.raw_args) {
            (Some(name), _) => name.clone(),
            (None, Some(raw)) => format!("`modprobe {}`", raw.load.join(" ")),
            (None, None) => "nothing".to_owned(),
        }
    }

    /// How modprobe will be called on a node.
    pub fn load(&self, signatures: SignaturePolicy) -> Load {
        let modprobe = &self.modprobe;
        let command = match &modprobe.raw_args {
            Some(raw) => LoadCommand::Raw(raw.load.clone()),
            None => LoadCommand::Named {
                module: modprobe.module_name.clone().unwrap_or_default(),
                args: modprobe.args.as_ref().map(|args| args.load.clone()).unwrap_or_default(),
                parameters: modprobe.parameters.clone(),
            },
        };
        Load {
            kernel: self.kernel.raw().to_owned(),
            architecture: self.architecture,
            dir_name: modprobe.dir_name.clone(),
            command,
            loading_order: modprobe.modules_loading_order.clone(),
            in_tree_to_remove: self.in_tree_to_remove.clone(),
            signatures,
            loaded: LoadedModules::default(),
        }
    }
}
