//! `cargo xtask`: the tasks of this project that are not the product.

#![expect(clippy::print_stdout, reason = "this is how tasks talk to people")]

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use xtask::demo;
use xtask::image::{self, Destination, Kept};
use xtask::interrupt::Interrupt;
use xtask::programs::{self, Size};
use xtask::{ControlPlane, Node, truth};

/// The tasks of this project that are not the product
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Build what a throw-away Kubernetes is made of, as far as it is missing
    Kube {
        /// Also what a node is made of, on which pods run
        #[arg(long)]
        node: bool,
    },
    /// Run a throw-away Kubernetes until Ctrl-C
    Cluster {
        /// With a node, on which pods run: this machine (needs root)
        #[arg(long)]
        node: bool,
    },
    /// Show what the operator does, step by step, on a throw-away control plane of this machine
    Demo {
        /// Leave the cluster running until Ctrl-C, to look around in it
        #[arg(long)]
        keep: bool,
    },
    /// Build the operator's image, or another that its Jobs use
    Image {
        /// Which image
        #[arg(value_enum, default_value_t = Which::Operator)]
        which: Which,
        /// The Debian kernel that a toolkit is for, like 6.1.0-50-cloud-amd64
        #[arg(long, required_if_eq("which", "toolkit"))]
        kernel: Option<String>,
        /// Push it to a registry, under this reference; else it goes to target/NAME.tar, as `docker load` takes it
        #[arg(long, value_name = "REFERENCE")]
        push: Option<String>,
        /// Whether the registry must have a certificate that this machine trusts; `false` also allows plain HTTP
        #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, requires = "push")]
        tls_verify: bool,
    },
    /// Compare what `kmm-preflight check` says of modules with what real kernels do with them, under QEMU
    Truth {
        /// On every kernel, not only on the core's
        #[arg(long)]
        all: bool,
        /// Only the core's cases, also on other kernels than the core's
        #[arg(long)]
        core: bool,
        /// On this kernel of Debian's instead; may be given several times. With --all, every kernel's modules are tried on it
        #[arg(long = "kernel", value_name = "RELEASE")]
        kernels: Vec<String>,
        /// Only the cases whose group or name contains this; may be given several times
        #[arg(long, value_name = "TEXT")]
        only: Vec<String>,
        /// Of the modules that Debian's packages for DKMS ship, rather than of our own; with --all besides
        #[arg(long)]
        shipped: bool,
        /// Of one good module with so many random damages, rather than of our own cases
        #[arg(long, value_name = "N")]
        damages: Option<usize>,
        /// What the random damages begin from
        #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "damages")]
        seed: u64,
        /// Where the table goes to
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// How many virtual machines run at once, each of which keeps a processor busy
        #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
        guests: u8,
    },
}

/// An image.
#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// kmm-preflight itself
    Operator,
    /// buildah, and nothing else, from Debian's packages
    Builder,
    /// Compiler, headers and modules of a Debian kernel, from Debian's packages
    Toolkit,
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Kube { node } => programs::build(if node { Size::Node } else { Size::ControlPlane }),
        Task::Cluster { node: false } => run_control_plane(),
        Task::Cluster { node: true } => run_node(),
        Task::Demo { keep } => demo::run_demo(keep),
        Task::Image {
            which,
            kernel,
            push,
            tls_verify,
        } => build_image(which, &kernel.unwrap_or_default(), push, tls_verify),
        Task::Truth {
            all,
            core,
            kernels,
            only,
            shipped,
            damages,
            seed,
            report,
            guests,
        } => tell_truth(&truth::Options {
            all,
            core,
            kernels,
            only,
            shipped,
            damages: damages.map(|count| truth::Damages { count, seed }),
            report,
            guests: guests.into(),
        }),
    }
}

fn run_control_plane() -> Result<()> {
    let interrupt = Interrupt::listen()?;
    programs::build_missing(Size::ControlPlane)?;
    let cluster = ControlPlane::start()?;
    introduce(&cluster);
    interrupt.wait();
    Ok(())
}

fn run_node() -> Result<()> {
    let interrupt = Interrupt::listen()?;
    programs::build_missing(Size::Node)?;
    let node = Node::start()?;
    introduce(node.control_plane());
    println!("registry {}", node.registry().host());
    interrupt.wait();
    Ok(())
}

fn introduce(cluster: &ControlPlane) {
    println!("Kubernetes {} at {}, until Ctrl-C", programs::KUBERNETES, cluster.url());
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
}

fn build_image(which: Which, kernel: &str, push: Option<String>, tls_verify: bool) -> Result<()> {
    let name = match which {
        Which::Operator => "kmm-preflight",
        Which::Builder => "builder",
        Which::Toolkit => "driver-toolkit",
    };
    let destination = match push {
        Some(reference) => Destination::Registry { reference, tls_verify },
        None => archive(name)?,
    };
    match which {
        Which::Operator => image::build_operator(&destination),
        Which::Builder => Kept::builder()?.send(&destination),
        Which::Toolkit => Kept::toolkit(kernel)?.send(&destination),
    }
}

/// An archive in `target/`, in place of an earlier one: the tools write into none that is there.
fn archive(name: &str) -> Result<Destination> {
    let file = PathBuf::from(format!("target/{name}.tar"));
    if file.exists() {
        fs::remove_file(&file)?;
    }
    Ok(Destination::Archive {
        file,
        name: format!("{name}:latest"),
    })
}

fn tell_truth(options: &truth::Options) -> Result<()> {
    let agrees = truth::run(options, |text| println!("{text}"))?;
    anyhow::ensure!(agrees, "kernels and check disagree");
    Ok(())
}
