//! Documents and options → questions: one for each preflight, defaulted, valid.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;

use super::Documents;
use crate::api::field_error::FieldError;
use crate::api::{Module, PreflightValidationOCP, PreflightValidationOCPSpec};
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::load::LoadedModules;
use crate::kmod::signature::Certificate;
use crate::plan::Surroundings;
use crate::registry::RegistryPattern;
use crate::validate::preflight::{apply_defaults, refusal, validate};

/// The name of the preflight of somebody who gives a kernel and no object.
const UNNAMED: &str = "preflight";
/// How many namespaces a message names.
const MAX_LISTED: usize = 10;

/// One preflight over the documents.
#[derive(Clone, Debug)]
pub struct Question {
    /// The preflight, defaulted and valid.
    pub preflight: PreflightValidationOCP,
    /// Its target kernel.
    pub kernel: KernelVersion,
    /// The Modules to judge.
    pub modules: Arc<Vec<Module>>,
    /// Every Secret of the documents.
    pub secrets: Arc<Vec<Secret>>,
    /// Every ConfigMap of the documents.
    pub config_maps: Arc<Vec<ConfigMap>>,
    /// What each node of the documents has loaded.
    pub loaded: Arc<Vec<LoadedModules>>,
    /// What the user knows of the nodes.
    pub options: Options,
}

/// What the user knows of the nodes and no file says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the nodes' kernels insist on signatures.
    pub enforce_signatures: bool,
    /// The certificates that the nodes' kernels trust; empty where none is known.
    pub trusted_certificates: Vec<Certificate>,
    /// The nodes' architecture, where the kernel's name does not tell it.
    pub architecture: Option<Architecture>,
    /// Registries whose driver toolkits may be read over plain HTTP.
    pub plain_toolkit_registries: Vec<RegistryPattern>,
    /// The modules that the nodes have loaded, as far as is known.
    pub loaded_modules: LoadedModules,
}

/// What replaces fields of every preflight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `spec.kernelVersion`
    pub kernel_version: Option<String>,
    /// `spec.dtkImage`
    pub dtk_image: Option<String>,
    /// Sets `spec.pushBuiltImage`.
    pub push_built_image: bool,
}

/// Why there is nothing that could be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongQuestion {
    /// No preflight, no kernel.
    #[error(
        "no target kernel: the files hold no PreflightValidationOCP; add one with -f, or name the kernel with \
         --kernel-version, as `uname -r` will print it on the upgraded nodes"
    )]
    NoKernel,
    /// No Module in the files.
    #[error("there is no Module, so there is nothing to check; name files that hold Modules with -f")]
    NoModule,
    /// No Module in the namespaces that were asked for.
    #[error("there is no Module in namespace {asked}, so there is nothing to check; the files have Modules in {there}")]
    NoModuleIn {
        /// The namespaces that were asked for.
        asked: String,
        /// Those that have Modules.
        there: String,
    },
    /// An architecture that no kernel here has.
    #[error(
        "--architecture {option}: {kernel} is a kernel for {named} by its own name; leave the option out, or correct the kernel"
    )]
    OtherArchitecture {
        /// What the option says.
        option: &'static str,
        /// The kernel.
        kernel: String,
        /// What the kernel's name says.
        named: &'static str,
    },
    /// Preflights that admission would refuse.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

/// The questions that the documents ask, with what the user knows besides.
pub fn questions(
    documents: Documents,
    overrides: &Overrides,
    namespaces: &[String],
    options: &Options,
) -> Result<Vec<Question>, WrongQuestion> {
    let Documents {
        preflights,
        mut modules,
        secrets,
        config_maps,
        node_features,
        ..
    } = documents;
    let preflights = admitted(overridden(preflights, overrides)?, overrides)?;
    agree(&preflights, options.architecture)?;
    retain(&mut modules, namespaces)?;
    let (modules, secrets, config_maps) = (Arc::new(modules), Arc::new(secrets), Arc::new(config_maps));
    let loaded = node_features.iter().filter_map(|node| node.spec.loaded_modules());
    let loaded = Arc::new(loaded.map(LoadedModules::of).collect());
    let question = |(preflight, kernel)| Question {
        preflight,
        kernel,
        modules: Arc::clone(&modules),
        secrets: Arc::clone(&secrets),
        config_maps: Arc::clone(&config_maps),
        loaded: Arc::clone(&loaded),
        options: options.clone(),
    };
    Ok(preflights.into_iter().map(question).collect())
}

/// What admission would make of the preflights: each with its defaults and its kernel, or all that is wrong.
fn admitted(
    preflights: Vec<PreflightValidationOCP>,
    overrides: &Overrides,
) -> Result<Vec<(PreflightValidationOCP, KernelVersion)>, WrongQuestion> {
    let (mut good, mut refusals) = (Vec::new(), Vec::new());
    for mut preflight in preflights {
        apply_defaults(&mut preflight, &Surroundings::default());
        match validate(&preflight) {
            Ok(kernel) => good.push((preflight, kernel)),
            Err(errors) => refusals.push(refusal(&preflight.name_any(), &overrides.blamed(errors))),
        }
    }
    if refusals.is_empty() {
        Ok(good)
    } else {
        Err(WrongQuestion::Invalid(refusals))
    }
}

impl Overrides {
    /// The errors, each of a field that an option replaces with that option's name.
    fn blamed(&self, mut errors: Vec<FieldError>) -> Vec<FieldError> {
        for error in &mut errors {
            let option = match error.path.as_str() {
                "spec.kernelVersion" => self.kernel_version.as_ref().map(|_| "--kernel-version"),
                "spec.dtkImage" => self.dtk_image.as_ref().map(|_| "--dtk-image"),
                _ => None,
            };
            if let Some(option) = option {
                error.message = format!("{} (it comes from {option})", error.message);
            }
        }
        errors
    }
}

/// An architecture counts for kernels that do not name their own. Where none is left for it to count for, it is a mistake.
fn agree(
    preflights: &[(PreflightValidationOCP, KernelVersion)],
    architecture: Option<Architecture>,
) -> Result<(), WrongQuestion> {
    let Some(option) = architecture else {
        return Ok(());
    };
    let other = |kernel: &KernelVersion| kernel.architecture().filter(|own| *own != option);
    let all_other: Option<Vec<_>> = preflights
        .iter()
        .map(|(_, kernel)| Some((kernel, other(kernel)?)))
        .collect();
    match all_other.as_deref() {
        Some([(kernel, named), ..]) => Err(WrongQuestion::OtherArchitecture {
            option: option.go_name(),
            kernel: kernel.raw().to_owned(),
            named: named.go_name(),
        }),
        _ => Ok(()),
    }
}

/// Leaves the Modules of the namespaces that were asked for, of which there must be some.
fn retain(modules: &mut Vec<Module>, namespaces: &[String]) -> Result<(), WrongQuestion> {
    if modules.is_empty() {
        return Err(WrongQuestion::NoModule);
    }
    let there: BTreeSet<String> = modules.iter().filter_map(ResourceExt::namespace).collect();
    modules.retain(|module| namespaces.is_empty() || module.namespace().is_some_and(|own| namespaces.contains(&own)));
    if modules.is_empty() {
        return Err(WrongQuestion::NoModuleIn {
            asked: namespaces.join(", "),
            there: listed(&there),
        });
    }
    Ok(())
}

/// The first names, and how many there are besides.
fn listed(names: &BTreeSet<String>) -> String {
    let first: Vec<_> = names.iter().take(MAX_LISTED).map(String::as_str).collect();
    match names.len().saturating_sub(MAX_LISTED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The preflights with what replaces their fields; a kernel alone makes one.
fn overridden(
    mut preflights: Vec<PreflightValidationOCP>,
    overrides: &Overrides,
) -> Result<Vec<PreflightValidationOCP>, WrongQuestion> {
    if preflights.is_empty() {
        if overrides.kernel_version.is_none() {
            return Err(WrongQuestion::NoKernel);
        }
        preflights.push(PreflightValidationOCP::new(
            UNNAMED,
            PreflightValidationOCPSpec::default(),
        ));
    }
    for preflight in &mut preflights {
        let spec = &mut preflight.spec;
        spec.kernel_version = overrides
            .kernel_version
            .clone()
            .unwrap_or_else(|| std::mem::take(&mut spec.kernel_version));
        spec.dtk_image = overrides.dtk_image.clone().or_else(|| spec.dtk_image.take());
        spec.push_built_image = if overrides.push_built_image {
            Some(true)
        } else {
            spec.push_built_image
        };
    }
    Ok(preflights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::NodeFeature;

    fn documents(preflights: &[(&str, &str)]) -> Documents {
        let preflight = |(name, kernel): &(&str, &str)| {
            let spec = PreflightValidationOCPSpec {
                kernel_version: (*kernel).to_owned(),
                ..Default::default()
            };
            PreflightValidationOCP::new(name, spec)
        };
        let mut module = Module::new("nic", crate::api::ModuleSpec::default());
        module.metadata.namespace = Some("drivers".to_owned());
        Documents {
            preflights: preflights.iter().map(preflight).collect(),
            modules: vec![module],
            ..Documents::default()
        }
    }

    fn asked(documents: Documents, overrides: &Overrides) -> Result<Vec<Question>, WrongQuestion> {
        questions(documents, overrides, &[], &Options::default())
    }

    #[test]
    fn a_kernel_alone_makes_a_preflight_with_defaults() {
        let overrides = Overrides {
            kernel_version: Some("6.1.0-18-amd64".to_owned()),
            ..Overrides::default()
        };
        let questions = asked(documents(&[]), &overrides).expect("a question");
        let [question] = questions.as_slice() else {
            panic!("{questions:?}")
        };
        assert_eq!(question.preflight.name_any(), "preflight");
        assert_eq!(question.preflight.spec.push_built_image, Some(false));
        assert_eq!(question.kernel.raw(), "6.1.0-18-amd64");
    }

    #[test]
    fn an_option_replaces_a_kernel_that_would_be_refused() {
        let overrides = Overrides {
            kernel_version: Some("6.1.0-18-amd64".to_owned()),
            ..Overrides::default()
        };
        assert!(asked(documents(&[("a", "")]), &overrides).is_ok());
    }

    #[test]
    fn every_refusal_is_told_in_the_words_of_admission() {
        let refused = asked(
            documents(&[("good", "6.1.0-18-amd64"), ("bad", "6 1"), ("worse", "")]),
            &Overrides::default(),
        );
        let Err(WrongQuestion::Invalid(refusals)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(refusals.len(), 2);
        assert!(
            refusals[0].starts_with("The PreflightValidationOCP \"bad\" is invalid: spec.kernelVersion: "),
            "{refusals:?}"
        );
        assert!(
            refusals[1].starts_with("The PreflightValidationOCP \"worse\" is invalid: spec.kernelVersion: "),
            "{refusals:?}"
        );
    }

    #[test]
    fn several_errors_of_one_preflight_are_listed() {
        let overrides = Overrides {
            dtk_image: Some("Not A Reference".to_owned()),
            ..Overrides::default()
        };
        let refused = asked(documents(&[("bad", "6 1")]), &overrides)
            .expect_err("a refusal")
            .to_string();
        assert!(
            refused.contains("\n* spec.kernelVersion: ") && refused.contains("\n* spec.dtkImage: "),
            "{refused}"
        );
    }

    #[test]
    fn a_refusal_names_the_option_that_the_value_came_from() {
        let overrides = Overrides {
            kernel_version: Some("six".to_owned()),
            ..Overrides::default()
        };
        let refused = asked(documents(&[("a", "6.1.0-18-amd64")]), &overrides).expect_err("a refusal");
        assert!(
            refused.to_string().ends_with("(it comes from --kernel-version)"),
            "{refused}"
        );
        let own = asked(documents(&[("a", "six")]), &Overrides::default()).expect_err("a refusal");
        assert!(!own.to_string().contains("it comes from"), "{own}");
    }

    #[test]
    fn an_architecture_that_every_kernel_denies_is_a_mistake() {
        let options = Options {
            architecture: Some(Architecture::Aarch64),
            ..Options::default()
        };
        let ask = |kernels: &[(&str, &str)]| questions(documents(kernels), &Overrides::default(), &[], &options);
        let amd64 = ("a", "6.1.0-18-amd64");
        let refused = ask(&[amd64]).expect_err("a refusal").to_string();
        assert!(
            refused.starts_with("--architecture arm64: 6.1.0-18-amd64 is a kernel for amd64 by its own name"),
            "{refused}"
        );
        for good in [[amd64, ("b", "6.1.0-18-arm64")], [amd64, ("b", "6.8.0-31-generic")]] {
            assert!(ask(&good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_namespace_without_modules_is_answered_with_those_that_have_some() {
        let refused = questions(
            documents(&[("a", "6.1.0-18-amd64")]),
            &Overrides::default(),
            &["elsewhere".to_owned()],
            &Options::default(),
        );
        assert_eq!(
            refused.expect_err("a refusal").to_string(),
            "there is no Module in namespace elsewhere, so there is nothing to check; the files have Modules in drivers"
        );
    }

    #[test]
    fn what_node_features_say_of_loaded_modules_is_known_of_each_node() {
        let feature = |name: &str, module: &str| {
            let elements = serde_json::json!({"elements": {module: {}}});
            let spec = serde_json::json!({"features": {"flags": {"kernel.loadedmodule": elements}}});
            NodeFeature::new(name, serde_json::from_value(spec).expect("read"))
        };
        let silent = NodeFeature::new("n3", crate::api::NodeFeatureSpec::default());
        let documents = Documents {
            node_features: vec![feature("n1", "a"), feature("n2", "b"), silent],
            ..documents(&[("upgrade", "6.1.0-18-amd64")])
        };
        let questions = asked(documents, &Overrides::default()).expect("a question");
        let names: Vec<Vec<&str>> = questions[0].loaded.iter().map(|node| node.names().collect()).collect();
        assert_eq!(names, [["a"], ["b"]]);
    }
}
