//! kmm-preflight answers, before a kernel upgrade, whether every KMM Module will load on the target kernel.
//!
//! Each module of this crate is a room of the house that `ARCHITECTURE.md` draws. Decisions ([`kernel`],
//! [`image`], [`kmod`], [`plan`], [`validate`]) are synchronous functions of data; effects ([`registry`],
//! [`inspect`], [`inpod`], [`check`], [`cli`]) sit at the edges. Arrows point one way, from [`cli`] down to [`api`].

pub mod amend;
pub mod api;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod examine;
pub mod image;
pub mod inpod;
pub mod inspect;
pub mod kernel;
pub mod kmod;
pub mod plan;
pub mod registry;
pub mod telemetry;
pub mod validate;
pub mod webhook;
