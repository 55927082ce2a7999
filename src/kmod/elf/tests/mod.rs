//! Real modules (`tests/fixtures/kmod`), the same with single fields altered, and sketched ones of other forms.

mod altered;
mod eras;
mod exports;
mod forms;
mod linking;
mod parameters;
mod real;
mod sketch;

const RING: &[u8] = include_bytes!("../../../../tests/fixtures/kmod/kmmp_ring.ko");
const PUMP: &[u8] = include_bytes!("../../../../tests/fixtures/kmod/kmmp_pump.ko");
const LONE: &[u8] = include_bytes!("../../../../tests/fixtures/kmod/kmmp_lone.ko");

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
const RISCV: u16 = 243;
const POWER: u16 = 21;
const S390: u16 = 22;

fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
}
