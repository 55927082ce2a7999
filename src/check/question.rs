//! Documents and options → questions: one for each preflight, defaulted, valid.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;

use super::Documents;
use crate::api::{Module, PreflightValidationOCP, PreflightValidationOCPSpec};
use crate::kernel::{Architecture, KernelVersion};
use crate::kmod::load::LoadedModules;
use crate::kmod::signature::Certificate;
use crate::plan::Surroundings;
use crate::registry::RegistryPattern;
use crate::validate::preflight::{apply_defaults, refusal, validate};

/// The name of the preflight of somebody who gives a kernel and no object.
const UNNAMED: &str = "preflight";

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
    /// No Module in the files, or none in the namespaces that were asked for.
    #[error("there is no Module{0}, so there is nothing to check; name files that hold Modules with -f")]
    NoModule(String),
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
    let preflights = admitted(overridden(preflights, overrides)?)?;
    modules.retain(|module| namespaces.is_empty() || module.namespace().is_some_and(|own| namespaces.contains(&own)));
    if modules.is_empty() {
        return Err(WrongQuestion::NoModule(in_namespaces(namespaces)));
    }
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
) -> Result<Vec<(PreflightValidationOCP, KernelVersion)>, WrongQuestion> {
    let (mut good, mut refusals) = (Vec::new(), Vec::new());
    for mut preflight in preflights {
        apply_defaults(&mut preflight, &Surroundings::default());
        match validate(&preflight) {
            Ok(kernel) => good.push((preflight, kernel)),
            Err(errors) => refusals.push(refusal(&preflight.name_any(), &errors)),
        }
    }
    if refusals.is_empty() {
        Ok(good)
    } else {
        Err(WrongQuestion::Invalid(refusals))
    }
}

fn in_namespaces(namespaces: &[String]) -> String {
    if namespaces.is_empty() {
        String::new()
    } else {
        format!(" in namespace {}", namespaces.join(", "))
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
