//! What `kmm-preflight check` says of the same cases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::case::{Boot, Case};
use super::kernel::Kernel;
use crate::environment;

/// The namespace of all cases' Modules.
const NAMESPACE: &str = "truth";

/// What was predicted of a case.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) loads: bool,
    pub(crate) reason: String,
    /// The rules that it speaks of.
    pub(crate) rules: Vec<String>,
    /// Those of them that decide.
    pub(crate) deciding: Vec<String>,
    /// All that was found, in words.
    pub(crate) findings: String,
}

/// What cases have in common of which check is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) boot: Boot,
    /// Where the images are.
    pub(crate) layout: &'a Path,
    /// The driver toolkit's image among them.
    pub(crate) toolkit: Option<&'a str>,
}

/// How a case's image is called.
pub(crate) fn reference(group: &str, case: &Case) -> String {
    format!(
        "truth.example.com/{group}/{}:{}",
        case.id,
        case.kernel.replace('+', "_")
    )
}

/// The toolkit's image.
pub(crate) fn toolkit_reference(kernel: &Kernel) -> String {
    format!("truth.example.com/toolkit:{}", kernel.release.replace('+', "_"))
}

/// The toolkit without an in-tree module.
pub(crate) fn lesser_toolkit(toolkit: &str, module: &str) -> String {
    format!("{toolkit}-without-{module}")
}

/// Asks about all cases: at once about those whose nodes have the same modules loaded before, and whose toolkit is the same.
pub(crate) fn verdicts(question: &Question<'_>, cases: &[(&str, &Case)]) -> anyhow::Result<Vec<Verdict>> {
    let mut alike: BTreeMap<(&[String], Option<&str>), Vec<usize>> = BTreeMap::new();
    for (at, (_, case)) in cases.iter().enumerate() {
        let key = (case.loaded_before.as_slice(), case.toolkit_lacks);
        alike.entry(key).or_default().push(at);
    }
    let mut verdicts = BTreeMap::new();
    for ((_, lacks), places) in alike {
        let asked: Vec<_> = places.iter().map(|at| cases[*at]).collect();
        let lesser = question
            .toolkit
            .zip(lacks)
            .map(|(toolkit, module)| lesser_toolkit(toolkit, module));
        let question = Question {
            toolkit: lesser.as_deref().or(question.toolkit),
            ..*question
        };
        verdicts.extend(places.into_iter().zip(verdicts_at_once(&question, &asked)?));
    }
    Ok(verdicts.into_values().collect())
}

fn verdicts_at_once(question: &Question<'_>, cases: &[(&str, &Case)]) -> anyhow::Result<Vec<Verdict>> {
    let questions = tempfile::tempdir()?;
    let modules: Vec<Value> = cases.iter().map(|(group, case)| module(group, case)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": modules});
    let questions_folder = questions.path().join("questions");
    fs::create_dir(&questions_folder)?;
    fs::write(questions_folder.join("modules.json"), list.to_string())?;
    fs::write(questions_folder.join("preflight.json"), preflight(question).to_string())?;
    let mut check = Command::new(program()?);
    check
        .args(["check", "--quiet", "--no-cache", "-o", "json", "-f"])
        .arg(&questions_folder)
        .arg("--oci-layout")
        .arg(question.layout);
    if question.boot.enforces() {
        check.arg("--enforce-signatures");
    }
    if question.boot.enforces() || question.boot.trusts_us() {
        let built_in = question.kernel.built_in_certificates()?;
        for certificate in question.kernel.certificates(question.boot).into_iter().chain(built_in) {
            check.arg("--trusted-cert").arg(certificate);
        }
    }
    if let Some((_, case)) = cases.first().filter(|(_, case)| !case.loaded_before.is_empty()) {
        let loaded = questions.path().join("loaded.txt");
        fs::write(&loaded, case.loaded_before.join("\n"))?;
        check.arg("--loaded-modules").arg(loaded);
    }
    let output = check.output().context("kmm-preflight does not start")?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("check says: {}", String::from_utf8_lossy(&output.stderr)))?;
    let rows = report["status"]["modules"].as_array().context("rows")?;
    let rows: BTreeMap<&str, &Value> = rows
        .iter()
        .filter_map(|row| Some((row["name"].as_str()?, row)))
        .collect();
    let verdict = |(group, case): &(&str, &Case)| {
        let row = rows
            .get(name(group, case).as_str())
            .with_context(|| format!("no row for {group}/{}", case.id))?;
        Ok(read(row))
    };
    cases.iter().map(verdict).collect()
}

fn read(row: &Value) -> Verdict {
    let findings: Vec<&Value> = row["findings"].as_array().into_iter().flatten().collect();
    let told = |key: &str, which: fn(&Value) -> bool| -> Vec<String> {
        let which = findings.iter().filter(|finding| which(finding));
        let texts = which.filter_map(|finding| finding[key].as_str());
        texts.map(str::to_owned).collect()
    };
    Verdict {
        loads: row["verificationStatus"] == "Success",
        reason: row["statusReason"].as_str().unwrap_or_default().to_owned(),
        rules: told("rule", |_| true),
        deciding: told("rule", |finding| finding["severity"] == "Decides"),
        findings: told("message", |_| true).join("\n"),
    }
}

/// Compiles the program under test, unless one is named that is there already.
pub(crate) fn compile() -> anyhow::Result<()> {
    if environment::static_program().is_some() {
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    let status = cargo
        .args(["build", "--quiet", "--locked", "--bin", "kmm-preflight"])
        .status();
    anyhow::ensure!(
        status.context("cargo does not start")?.success(),
        "kmm-preflight does not compile"
    );
    Ok(())
}

/// The program under test: the one that `KMM_PREFLIGHT_STATIC` names, else that which stands beside this one.
pub(super) fn program() -> anyhow::Result<PathBuf> {
    let beside = || anyhow::Ok(std::env::current_exe()?.with_file_name("kmm-preflight"));
    let program = environment::static_program().map_or_else(beside, Ok)?;
    anyhow::ensure!(program.exists(), "no {}", program.display());
    Ok(program)
}

fn name(group: &str, case: &Case) -> String {
    format!("{group}.{}", case.id)
}

fn module(group: &str, case: &Case) -> Value {
    let mut modprobe = json!({"dirName": case.dir_name()});
    let mut set = |key: &str, value: Value| {
        modprobe[key] = value;
    };
    match &case.raw_args {
        Some(words) => set("rawArgs", json!({"load": words, "unload": ["-r", case.module]})),
        None => set("moduleName", json!(case.module)),
    }
    if !case.args.is_empty() {
        set("args", json!({"load": case.args}));
    }
    if !case.parameters.is_empty() {
        set("parameters", json!(case.parameters));
    }
    if !case.loading_order.is_empty() {
        set("modulesLoadingOrder", json!(case.loading_order));
    }
    if let Some(path) = &case.firmware {
        set("firmwarePath", json!(path));
    }
    let mut container = json!({
        "modprobe": modprobe,
        "kernelMappings": [{"literal": case.kernel, "containerImage": reference(group, case)}],
    });
    if !case.to_remove.is_empty() {
        container["inTreeModulesToRemove"] = json!(case.to_remove);
    }
    json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module",
        "metadata": {"name": name(group, case), "namespace": NAMESPACE},
        "spec": {
            "moduleLoader": {"container": container},
            "selector": {"node-role.kubernetes.io/worker": ""},
        },
    })
}

fn preflight(question: &Question<'_>) -> Value {
    let mut spec = json!({"kernelVersion": question.kernel.release});
    if let Some(toolkit) = question.toolkit {
        spec["dtkImage"] = json!(toolkit);
    }
    json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta2", "kind": "PreflightValidationOCP",
        "metadata": {"name": "truth"}, "spec": spec,
    })
}
