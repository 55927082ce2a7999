//! `cargo xtask`: the tasks of this project that are not the product.

use anyhow::Result;
use clap::Parser;
use xtask::programs::{self, Size};

/// The tasks of this project that are not the product
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Build what a throw-away Kubernetes is made of, as far as it is missing
    Kube {
        /// Also what a node is made of, on which pods run
        #[arg(long)]
        node: bool,
    },
}

fn main() -> Result<()> {
    match Task::parse() {
        Task::Kube { node } => programs::build(if node { Size::Node } else { Size::ControlPlane }),
    }
}
