//! Forms that no compiler at hand makes: other byte orders, names and versions of other kinds, too much of anything.

use super::sketch::{GLOBAL, Sketch, WEAK, version};
use super::{AARCH64, POWER, RISCV, S390, X86_64, put};
use crate::kmod::elf::image::Order;
use crate::kmod::elf::{MAX_TEXT_BYTES, MAX_TEXTS, NAME_LEN, NAME_OFFSET, Structure, read};
use crate::kmod::facts::{ElfDefectKind, Undefined};

#[test]
fn the_byte_order_is_that_of_the_machines_kernel() {
    let machine = |order, machine| Sketch::new(order, machine).read().map(|elf| elf.machine);
    assert_eq!(machine(Order::Big, S390), Ok(S390));
    assert_eq!(machine(Order::Little, POWER), Ok(POWER));
    assert_eq!(machine(Order::Little, X86_64), Ok(X86_64));
    for (order, machine) in [(Order::Big, POWER), (Order::Little, S390), (Order::Big, X86_64)] {
        let bytes = Sketch::new(order, machine).bytes();
        let seen = read(&bytes).0.map(|elf| elf.machine);
        assert_ne!(seen, Ok(machine), "the kernel of machine {machine} has the other order");
    }
}

#[test]
fn everything_of_a_big_endian_module_is_read() {
    let order = Order::Big;
    let elf = Sketch::new(order, S390)
        .section("__versions", version(order, 0x1234_5678, "_printk"))
        .section(".modinfo", *b"license=GPL\0name=sketch\0")
        .undefined("_printk")
        .symbol("maybe", WEAK, 0, 0)
        .read()
        .unwrap();
    assert_eq!((elf.name.as_deref(), elf.this_module.size), (Some("sketch"), 128));
    assert_eq!(
        elf.versions.basic.as_ref().and_then(|crcs| crcs.of("_printk")),
        Some(0x1234_5678)
    );
    assert_eq!(elf.info("license"), Some("GPL"));
    let undefined = |name: &str, weak| Undefined {
        name: name.to_owned(),
        weak,
    };
    assert_eq!(elf.undefined, [undefined("_printk", false), undefined("maybe", true)]);
}

#[test]
fn names_that_the_kernel_treats_in_its_own_way() {
    let needs = |machine, name: &'static str| {
        let elf = Sketch::new(Order::Little, machine).undefined(name).read().unwrap();
        elf.undefined.first().map(|undefined| undefined.name.clone())
    };
    let cases = [
        ("x86 leaves the offset table", X86_64, "_GLOBAL_OFFSET_TABLE_", None),
        (
            "POWER does not",
            POWER,
            "_GLOBAL_OFFSET_TABLE_",
            Some("_GLOBAL_OFFSET_TABLE_"),
        ),
        ("POWER's kernel makes the table of contents", POWER, ".TOC.", None),
        (
            "POWER's entry points lose their dot",
            POWER,
            "._printk",
            Some("_printk"),
        ),
        ("dots stay elsewhere", X86_64, "._printk", Some("._printk")),
    ];
    for (name, machine, symbol, expected) in cases {
        assert_eq!(needs(machine, symbol).as_deref(), expected, "{name}");
    }
}

#[test]
fn common_symbols_are_refused_but_for_those_of_link_time_optimisation() {
    const COMMON: u16 = 0xfff2;
    const LIVEPATCH: u16 = 0xff20;
    let sketch = || Sketch::new(Order::Little, X86_64);
    let defect = sketch().symbol("shared_state", GLOBAL, COMMON, 8).read().unwrap_err();
    assert_eq!(defect.kind, ElfDefectKind::CommonSymbol);
    assert!(defect.message.contains("shared_state"), "{}", defect.message);
    let taken =
        sketch()
            .symbol("__gnu_lto_slim", GLOBAL, COMMON, 1)
            .symbol(".klp.sym.vmlinux.f,0", GLOBAL, LIVEPATCH, 0);
    assert_eq!(taken.read().map(|elf| elf.undefined), Ok(Vec::new()));
}

#[test]
fn the_name_in_struct_module_is_read_only_where_it_is_one() {
    let name = |text: &[u8]| {
        let mut this_module = vec![0xff; 128];
        put(&mut this_module, NAME_OFFSET, text);
        Structure(&this_module).name()
    };
    assert_eq!(name(b"pump\0").as_deref(), Some("pump"));
    for (what, text) in [
        ("nothing", &b"\0"[..]),
        ("a pointer", b"\x80\x12\0"),
        ("no end", &[b'a'; NAME_LEN]),
    ] {
        assert_eq!(name(text), None, "{what}");
    }
    assert_eq!(Structure(&[0; 40]).name(), None, "a structure that is too small");
}

#[test]
fn both_forms_of_versions_are_read_and_the_extended_one_must_be_whole() {
    let order = Order::Little;
    let sketch = || Sketch::new(order, X86_64).section("__versions", version(order, 1, "f"));
    let crcs = [2_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    let names = b"f\0a_very_long_name_as_rust_has_them_more_than_fifty_five_bytes_long\0".to_vec();
    let whole = sketch()
        .section("__version_ext_crcs", crcs.clone())
        .section("__version_ext_names", names);
    let elf = whole.read().unwrap();
    let (basic, extended) = (elf.versions.basic.unwrap(), elf.versions.extended.unwrap());
    assert_eq!(
        (basic.of("f"), extended.of("f"), extended.0.len()),
        (Some(1), Some(2), 2)
    );
    assert!(elf.flaws.is_empty() && sketch().read().unwrap().versions.extended.is_none());

    let one_name = sketch()
        .section("__version_ext_crcs", crcs.clone())
        .section("__version_ext_names", *b"f\0");
    let no_names = sketch().section("__version_ext_crcs", crcs);
    for (sketch, part) in [
        (one_name, "more extended version CRCs"),
        (no_names, "only one of the sections"),
    ] {
        let flaws = sketch.read().unwrap().flaws;
        assert_eq!(flaws[0].kind, ElfDefectKind::ExtendedVersions);
        assert!(flaws[0].message.contains(part), "{}", flaws[0].message);
    }
}

#[test]
fn two_sections_of_one_name_are_a_flaw_where_both_are_listed() {
    let sketch = || Sketch::new(Order::Little, X86_64).section(".twin", *b"one");
    let flaws = |sketch: Sketch| sketch.read().unwrap().link_flaws;
    let found = flaws(sketch().section(".twin", *b"two"));
    assert_eq!(
        found.last().map(|flaw| flaw.kind),
        Some(ElfDefectKind::SectionsOfOneName)
    );
    assert!(found[0].message.contains(".twin"), "{}", found[0].message);
    assert_eq!(
        flaws(sketch().section(".twin", *b"")),
        [],
        "one without content is not listed"
    );
    assert_eq!(flaws(sketch().section(".twin.2", *b"two")), [], "another name");
}

#[test]
fn of_a_randomised_struct_module_nothing_is_read() {
    let randomised = "vermagic=6.1.0 SMP mod_unload RANDSTRUCT_0123abcd\0name=sketch\0";
    for modinfo in [randomised, "vermagic=6.1.0 SMP mod_unload\0name=sketch\0"] {
        let is_randomised = modinfo == randomised;
        for (at, name) in [(NAME_OFFSET, &b"\0"[..]), (NAME_OFFSET, b"other\0"), (64, b"sketch\0")] {
            let mut structure = vec![0; 128];
            put(&mut structure, NAME_OFFSET, b"sketch");
            put(&mut structure, at, name);
            let pairs = [("vermagic", modinfo), ("name", "sketch")];
            let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let read = Structure::of(&structure, &pairs);
            assert_eq!(read.is_none(), is_randomised, "{modinfo}");
        }
    }
}

#[test]
fn a_name_that_is_looked_for_in_a_huge_structure_is_found_or_given_up_soon() {
    let found = |structure: &[u8], told: &str| {
        Structure(structure)
            .flaw(&[("name".to_owned(), told.to_owned())])
            .is_some()
    };
    let structure = |at: usize, name: &[u8]| {
        let mut structure = vec![b'x'; 1 << 20];
        put(&mut structure, NAME_OFFSET, b"other\0");
        put(&mut structure, at, name);
        structure
    };
    assert!(found(&structure(200, b"sketch\0"), "sketch"));
    assert!(!found(&structure(1 << 19, b"sketch\0"), "sketch"));
    let long = "y".repeat(NAME_LEN);
    assert!(!found(&structure(200, format!("{long}\0").as_bytes()), &long));
}

#[test]
fn architectures_that_make_trampolines_want_sections_for_them() {
    let flaws = |machine, sections: &[&'static str]| {
        let sketch = Sketch::new(Order::Little, machine);
        let sketch = sections
            .iter()
            .fold(sketch, |sketch, name| sketch.part(name, 8, 0, Vec::new()));
        let flaws = sketch.read().unwrap().flaws;
        flaws.into_iter().map(|flaw| (flaw.kind, flaw.message)).next()
    };
    for (machine, wanted) in [
        (AARCH64, &[".plt", ".init.plt"][..]),
        (RISCV, &[".plt", ".got", ".got.plt"]),
        (POWER, &[".stubs"]),
    ] {
        assert_eq!(flaws(machine, wanted), None);
        for missing in wanted {
            let others: Vec<&str> = wanted.iter().copied().filter(|name| name != missing).collect();
            let (kind, message) = flaws(machine, &others).unwrap();
            assert_eq!(kind, ElfDefectKind::NoTrampolines);
            assert!(message.contains(&format!("no section {missing},")), "{message}");
        }
    }
    assert_eq!(flaws(X86_64, &[]), None);
}

#[test]
fn arm_wants_a_section_for_the_jumps_of_ftrace() {
    let link_flaws = |machine, name| {
        let sketch = Sketch::new(Order::Little, machine).part(name, 8, 0, Vec::new());
        let flaws = sketch.read().unwrap().link_flaws;
        flaws.into_iter().map(|flaw| flaw.kind).collect::<Vec<_>>()
    };
    assert_eq!(link_flaws(AARCH64, ".text"), [ElfDefectKind::NoFtraceTrampoline]);
    assert_eq!(link_flaws(AARCH64, ".text.ftrace_trampoline"), []);
    assert_eq!(link_flaws(X86_64, ".text"), []);
}

#[test]
fn a_name_of_any_length_is_read_as_the_kernel_reads_it() {
    let long: &'static str = "x".repeat(5000).leak();
    let elf = Sketch::new(Order::Little, X86_64).undefined(long).read().unwrap();
    assert_eq!(elf.undefined[0].name, long);
}

#[test]
fn a_module_with_more_text_than_any_is_beyond_our_limits_not_the_kernels() {
    let many = b"a=b\0".repeat(MAX_TEXTS / 2 + 1);
    let long = [b"a=".to_vec(), vec![b'x'; MAX_TEXT_BYTES]].concat();
    for modinfo in [many, long] {
        let defect = Sketch::new(Order::Little, X86_64)
            .section(".modinfo", modinfo)
            .read()
            .unwrap_err();
        assert_eq!(defect.kind, ElfDefectKind::BeyondLimits);
        assert!(defect.message.contains("more names"), "{}", defect.message);
    }
}

#[test]
fn a_second_modinfo_or_struct_module_is_refused() {
    let sketch = || Sketch::new(Order::Little, X86_64);
    let modinfo = sketch()
        .section(".modinfo", *b"a=b\0")
        .section(".modinfo", *b"a=b\0")
        .read()
        .unwrap_err();
    assert_eq!(modinfo.kind, ElfDefectKind::Malformed);
    let module = sketch().section(".gnu.linkonce.this_module", *b"x").read().unwrap_err();
    assert_eq!(module.kind, ElfDefectKind::NotAModule);
}
