//! `pod build`: with a stand-in for buildah that fails in every way, and with buildah itself.

mod bench;
mod real;
mod stand_in;
