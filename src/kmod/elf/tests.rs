//! Real modules (`tests/fixtures/kmod`), the same with single fields altered, and sketched ones of other forms.

use super::image::Order;
use super::*;
use crate::kmod::facts::{Export, Undefined};

const RING: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_ring.ko");
const PUMP: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_pump.ko");
const LONE: &[u8] = include_bytes!("../../../tests/fixtures/kmod/kmmp_lone.ko");

const X86_64: u16 = 62;
const POWER: u16 = 21;
const S390: u16 = 22;

#[test]
fn a_real_module_says_what_modinfo_says() {
    let pump = read(PUMP).unwrap();
    assert_eq!((pump.machine, pump.this_module_size), (X86_64, 896));
    assert_eq!(pump.name.as_deref(), Some("kmmp_pump"));
    let one = |key: &str| pump.info(key).map(str::to_owned);
    assert_eq!(one("license").as_deref(), Some("GPL"));
    assert_eq!(one("depends").as_deref(), Some("kmmp_ring"));
    assert_eq!(one("import_ns").as_deref(), Some("KMMP_RING"));
    assert_eq!(
        one("vermagic").as_deref(),
        Some("6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions ")
    );
    let mut types: Vec<_> = pump.infos("parmtype").collect();
    types.sort_unstable();
    assert_eq!(
        types,
        ["label:charp", "lanes:array of ushort", "level:int", "quiet:bool"]
    );
    assert!(pump.exports.is_empty());
}

/// The CRCs are those that `modprobe --dump-modversions` prints.
#[test]
fn a_real_module_has_the_versions_of_what_it_needs() {
    let pump = read(PUMP).unwrap();
    let versions = pump.versions.as_ref().unwrap();
    assert!(!versions.extended);
    assert_eq!(versions.crc("module_layout"), Some(0x8216_4fbb));
    assert_eq!(versions.crc("_printk"), Some(0x9299_7ed8));
    assert_eq!(versions.crc("kmmp_ring_open"), Some(0x46c8_89a1));
    for undefined in &pump.undefined {
        assert!(
            !undefined.weak && versions.crc(&undefined.name).is_some(),
            "{undefined:?}"
        );
    }
    assert_eq!(
        versions.crcs.len(),
        pump.undefined.len() + 1,
        "all of them, and module_layout"
    );
}

#[test]
fn a_real_module_exports_what_its_users_expect() {
    let export = |name: &str, gpl_only, namespace: Option<&str>, crc| Export {
        name: name.to_owned(),
        gpl_only,
        namespace: namespace.map(str::to_owned),
        crc: Some(crc),
    };
    assert_eq!(
        read(RING).unwrap().exports,
        [
            export("kmmp_ring_size", false, None, 0xc810_318c),
            export("kmmp_ring_open", true, Some("KMMP_RING"), 0x46c8_89a1),
        ]
    );
}

fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
}

/// Where the header of a section of that name stands in a real module.
fn section_header(bytes: &[u8], name: &str) -> usize {
    let image = Image::open(bytes).unwrap();
    let index = image
        .sections
        .iter()
        .position(|section| image.has_name(section, name))
        .unwrap();
    usize::try_from(Order::Little.u64(bytes, 40).unwrap()).unwrap() + index * 64
}

/// A name, the section whose header is altered (none: the file's own), where and how, and what is then refused.
type Altered = (&'static str, Option<&'static str>, usize, &'static [u8], &'static str);

fn refuses(kind: ElfDefectKind, cases: &[Altered]) {
    for (name, section, at, value, part) in cases {
        let mut bytes = LONE.to_vec();
        let start = section.map_or(0, |section| section_header(LONE, section));
        put(&mut bytes, start + at, value);
        let defect = read(&bytes).expect_err(name);
        assert_eq!(defect.kind, kind, "{name}: {}", defect.message);
        assert!(defect.message.contains(part), "{name}: {}", defect.message);
    }
}

#[test]
fn the_header_and_the_section_names_are_checked() {
    let names = Some(".shstrtab");
    refuses(
        ElfDefectKind::Header,
        &[
            ("another magic", None, 1, b"elf", "magic"),
            ("an executable", None, 16, &[2, 0], "type is 2"),
            ("another size of section headers", None, 58, &[40, 0], "have 40 bytes"),
            ("no sections", None, 60, &[0, 0], "section 0"),
            ("no section names", None, 62, &[0, 0], "name index 0"),
            ("section names elsewhere", None, 62, &[99, 0], "name index 99"),
            ("section names without an end", names, 32, &[0x10, 0], "end in NUL"),
            ("no bytes of section names", names, 32, &[0; 8], "empty"),
        ],
    );
    let mut bytes = LONE.to_vec();
    put(&mut bytes, section_header(LONE, ".note.gnu.build-id") - 64 + 4, &[1]);
    assert!(read(&bytes).unwrap_err().message.contains("section 0"));
}

#[test]
fn every_section_must_lie_in_the_file() {
    let modinfo = Some(".modinfo");
    refuses(
        ElfDefectKind::Truncated,
        &[
            ("a table beyond the end", None, 40, &[0xff; 8], "section table"),
            ("a section beyond the end", modinfo, 32, &[0, 0, 1], "ends beyond"),
            ("a section that wraps round", modinfo, 32, &[0xff; 8], "ends beyond"),
        ],
    );
    for (length, kind) in [
        (0, ElfDefectKind::Header),
        (63, ElfDefectKind::Header),
        (LONE.len() - 1, ElfDefectKind::Truncated),
    ] {
        assert_eq!(read(&LONE[..length]).map_err(|defect| defect.kind).err(), Some(kind));
    }
}

#[test]
fn symbols_and_struct_module_must_be_there() {
    let module = Some(".gnu.linkonce.this_module");
    refuses(
        ElfDefectKind::NoSymbols,
        &[
            ("no symbol table", Some(".symtab"), 4, &[1], "stripped"),
            ("two symbol tables", Some(".modinfo"), 4, &[2], "more than one"),
        ],
    );
    refuses(
        ElfDefectKind::NotAModule,
        &[
            ("a structure that is not loaded", module, 8, &[0], "no content to load"),
            ("a structure without content", module, 4, &[8], "no content to load"),
            ("another name for it", module, 0, &[1], "no .gnu.linkonce"),
        ],
    );
}

#[test]
fn names_must_lie_in_their_tables() {
    refuses(
        ElfDefectKind::Malformed,
        &[
            ("a section name outside", Some(".bss"), 0, &[0, 0, 1], "name of section"),
            ("symbols without names", Some(".symtab"), 40, &[0], "names section 0"),
            (
                "symbol names without a start",
                Some(".strtab"),
                24,
                &[0x41],
                "begin and end in NUL",
            ),
            (
                "symbol names cut short",
                Some(".strtab"),
                32,
                &[1, 0],
                "outside the symbol name",
            ),
        ],
    );
}

#[test]
fn what_the_kernel_does_not_look_at_does_not_matter() {
    let mut bytes = LONE.to_vec();
    put(&mut bytes, 4, &[1, 2, 9, 9, 9]); // class, byte order, version, ABI and its version
    put(&mut bytes, 20, &[7; 4]); // e_version
    let altered = read(&bytes).unwrap();
    assert_eq!(altered, read(LONE).unwrap());
}

#[test]
fn a_32_bit_file_is_called_one() {
    let mut bytes = LONE.to_vec();
    put(&mut bytes, 4, &[1]);
    put(&mut bytes, 58, &[0, 0]);
    let defect = read(&bytes).unwrap_err();
    assert!(
        defect.message.contains("32-bit file (machine 62)"),
        "{}",
        defect.message
    );
}

#[test]
fn no_length_and_no_altered_byte_brings_it_down() {
    for length in 0..RING.len() {
        assert!(read(&RING[..length]).is_err(), "its section table is last: {length}");
    }
    let tables = section_header(RING, ".note.gnu.build-id") - 64;
    for at in 0..RING.len() {
        let values: &[u8] = if at < 64 || at > tables {
            &[0, 0x7f, 0xff]
        } else {
            &[0xff]
        };
        for value in values {
            let mut bytes = RING.to_vec();
            bytes[at] = *value;
            let most = RING.len() / 24;
            if let Ok(elf) = read(&bytes) {
                assert!(elf.exports.len() <= most && elf.undefined.len() <= most, "byte {at}");
            }
        }
    }
}

/// A module of our own making, for the forms that no compiler at hand makes.
struct Sketch {
    order: Order,
    machine: u16,
    sections: Vec<Part>,
    symbols: Vec<(&'static str, u8, u16, u64)>,
}

struct Part {
    name: &'static str,
    kind: u32,
    info: u32,
    content: Vec<u8>,
}

const GLOBAL: u8 = 1 << 4;
const WEAK: u8 = 2 << 4;

impl Sketch {
    fn new(order: Order, machine: u16) -> Self {
        let sketch = Self {
            order,
            machine,
            sections: Vec::new(),
            symbols: Vec::new(),
        };
        let mut this_module = vec![0; 128];
        put(&mut this_module, NAME_OFFSET, b"sketch");
        sketch.section(".gnu.linkonce.this_module", this_module)
    }

    fn part(mut self, name: &'static str, kind: u32, info: u32, content: Vec<u8>) -> Self {
        self.sections.push(Part {
            name,
            kind,
            info,
            content,
        });
        self
    }

    /// A loaded section. The first one after `.gnu.linkonce.this_module` is section 2.
    fn section(self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.part(name, 1, 0, content.into())
    }

    /// Relocations (offset, symbol, addend) of a section.
    fn relocations(self, of: u32, entries: &[(u64, u64, u64)]) -> Self {
        let order = self.order;
        let words = entries
            .iter()
            .flat_map(|(offset, symbol, addend)| [*offset, (symbol << 32) | 2, *addend]);
        let content = words.flat_map(|word| u64_bytes(order, word)).collect();
        self.part(".rela", 4, of, content)
    }

    /// A symbol; the first one has index 1.
    fn symbol(mut self, name: &'static str, info: u8, section: u16, value: u64) -> Self {
        self.symbols.push((name, info, section, value));
        self
    }

    fn undefined(self, name: &'static str) -> Self {
        self.symbol(name, GLOBAL, 0, 0)
    }

    fn bytes(mut self) -> Vec<u8> {
        let order = self.order;
        let mut names = vec![0];
        let mut table = vec![0; 24];
        for (name, info, section, value) in std::mem::take(&mut self.symbols) {
            table.extend(u32_bytes(order, names.len()));
            table.extend([info, 0]);
            table.extend(u16_bytes(order, section));
            table.extend(u64_bytes(order, value));
            table.extend([0; 8]);
            names.extend(name.as_bytes());
            names.push(0);
        }
        let strings = u32::try_from(self.sections.len() + 2).unwrap();
        self = self.part(".symtab", 2, strings, table).part(".strtab", 3, 0, names);
        self.lay_out()
    }

    fn lay_out(self) -> Vec<u8> {
        let order = self.order;
        let mut section_names = vec![0];
        let mut body = vec![0; 64];
        let mut headers = vec![0; 64];
        let count = self.sections.len() + 2;
        let names_at = |names: &mut Vec<u8>, name: &str| {
            let at = names.len();
            names.extend(name.as_bytes());
            names.push(0);
            at
        };
        for part in &self.sections {
            let name = names_at(&mut section_names, part.name);
            headers.extend(section(order, name, part, body.len()));
            body.extend(&part.content);
        }
        let name = names_at(&mut section_names, ".shstrtab");
        let last = Part {
            name: ".shstrtab",
            kind: 3,
            info: 0,
            content: section_names,
        };
        headers.extend(section(order, name, &last, body.len()));
        body.extend(&last.content);
        let table_at = body.len();
        body.extend(headers);
        put(&mut body, 0, b"\x7fELF\x02\x01\x01");
        put(&mut body, 16, &u16_bytes(order, 1));
        put(&mut body, 18, &u16_bytes(order, self.machine));
        put(&mut body, 40, &u64_bytes(order, table_at as u64));
        put(&mut body, 58, &u16_bytes(order, 64));
        put(&mut body, 60, &u16_bytes(order, u16::try_from(count).unwrap()));
        put(&mut body, 62, &u16_bytes(order, u16::try_from(count - 1).unwrap()));
        body
    }

    fn read(self) -> Result<ElfModule, ElfDefect> {
        read(&self.bytes())
    }
}

fn section(order: Order, name: usize, part: &Part, offset: usize) -> Vec<u8> {
    let link = if part.kind == 2 { part.info } else { 0 };
    let mut header = Vec::new();
    header.extend(u32_bytes(order, name));
    header.extend(u32_bytes(order, part.kind as usize));
    header.extend(u64_bytes(order, 2));
    header.extend(u64_bytes(order, 0));
    header.extend(u64_bytes(order, offset as u64));
    header.extend(u64_bytes(order, part.content.len() as u64));
    header.extend(u32_bytes(order, link as usize));
    header.extend(u32_bytes(order, part.info as usize));
    header.extend([0; 16]);
    header
}

fn u16_bytes(order: Order, value: u16) -> [u8; 2] {
    if order == Order::Big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn u32_bytes(order: Order, value: usize) -> [u8; 4] {
    let value = u32::try_from(value).unwrap();
    if order == Order::Big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn u64_bytes(order: Order, value: u64) -> [u8; 8] {
    if order == Order::Big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

fn version(order: Order, crc: u64, name: &str) -> Vec<u8> {
    let mut record = u64_bytes(order, crc).to_vec();
    record.extend(name.as_bytes());
    record.resize(64, 0);
    record
}

#[test]
fn the_byte_order_is_that_of_the_machines_kernel() {
    let machine = |order, machine| Sketch::new(order, machine).read().map(|elf| elf.machine);
    assert_eq!(machine(Order::Big, S390), Ok(S390));
    assert_eq!(machine(Order::Little, POWER), Ok(POWER));
    assert_eq!(machine(Order::Little, X86_64), Ok(X86_64));
    for (order, machine) in [(Order::Big, POWER), (Order::Little, S390), (Order::Big, X86_64)] {
        let bytes = Sketch::new(order, machine).bytes();
        let seen = read(&bytes).map(|elf| elf.machine);
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
    assert_eq!((elf.name.as_deref(), elf.this_module_size), (Some("sketch"), 128));
    assert_eq!(
        elf.versions.as_ref().and_then(|versions| versions.crc("_printk")),
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
        module_name(&this_module)
    };
    assert_eq!(name(b"pump\0").as_deref(), Some("pump"));
    for (what, text) in [
        ("nothing", &b"\0"[..]),
        ("a pointer", b"\x80\x12\0"),
        ("no end", &[b'a'; NAME_LEN]),
    ] {
        assert_eq!(name(text), None, "{what}");
    }
    assert_eq!(module_name(&[0; 40]), None, "a structure that is too small");
}

#[test]
fn extended_versions_win_and_must_be_whole() {
    let order = Order::Little;
    let sketch = || Sketch::new(order, X86_64).section("__versions", version(order, 1, "f"));
    let crcs = [2_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    let names = b"f\0a_very_long_name_as_rust_has_them_more_than_fifty_five_bytes_long\0".to_vec();
    let whole = sketch()
        .section("__version_ext_crcs", crcs.clone())
        .section("__version_ext_names", names);
    let versions = whole.read().unwrap().versions.unwrap();
    assert!(versions.extended && versions.crcs.len() == 2);
    assert_eq!(versions.crc("f"), Some(2));
    assert_eq!(sketch().read().unwrap().versions.unwrap().crc("f"), Some(1));

    let one_name = sketch()
        .section("__version_ext_crcs", crcs.clone())
        .section("__version_ext_names", *b"f\0");
    let no_names = sketch().section("__version_ext_crcs", crcs);
    for (sketch, part) in [
        (one_name, "more extended version CRCs"),
        (no_names, "only one of the sections"),
    ] {
        let defect = sketch.read().unwrap_err();
        assert_eq!(defect.kind, ElfDefectKind::Malformed);
        assert!(defect.message.contains(part), "{}", defect.message);
    }
}

/// A module with a table of exports in section 2, the names in section 3 and CRCs in section 4.
fn exporter(order: Order, machine: u16, entry: u64, names: &[u8], crcs: &[u8]) -> Sketch {
    Sketch::new(order, machine)
        .section("__ksymtab_gpl", vec![0; usize::try_from(entry).unwrap() * 2])
        .section("__ksymtab_strings", names)
        .section("__kcrctab_gpl", crcs)
        .symbol("f", GLOBAL, 1, 0)
        .symbol("", 3, 3, 0) // the section of the names
        .symbol("__crc_f", GLOBAL, 0xfff1, 0xaaaa_0001)
        .symbol("__crc_g", GLOBAL, 5, 4)
}

fn seen(sketch: Sketch) -> Vec<(String, Option<String>, Option<u32>)> {
    let exports = sketch.read().unwrap().exports;
    assert!(exports.iter().all(|export| export.gpl_only));
    exports
        .into_iter()
        .map(|export| (export.name, export.namespace, export.crc))
        .collect()
}

fn expect(name: &str, namespace: Option<&str>, crc: Option<u32>) -> (String, Option<String>, Option<u32>) {
    (name.to_owned(), namespace.map(str::to_owned), crc)
}

#[test]
fn exports_by_address_with_absolute_crcs() {
    let crcs = [0; 8];
    let sketch = exporter(Order::Big, S390, 24, b"f\0g\0NS\0", &crcs)
        .relocations(2, &[(24, 1, 0), (32, 2, 2), (40, 2, 4), (0, 1, 0), (8, 2, 0)])
        .relocations(4, &[(0, 3, 0), (4, 3, 1)]);
    let expected = [
        expect("f", None, Some(0xaaaa_0001)),
        expect("g", Some("NS"), Some(0xaaaa_0002)),
    ];
    assert_eq!(seen(sketch), expected);
}

#[test]
fn exports_by_distance_with_crcs_kept_elsewhere() {
    let sketch = exporter(Order::Little, X86_64, 12, b"f\0\0g\0", &[0; 8])
        .section(".rodata", [0, 0, 0, 0, 4, 3, 2, 1])
        .relocations(
            2,
            &[(0, 1, 0), (4, 2, 0), (8, 2, 2), (12, 1, 0), (16, 2, 3), (20, 2, 1)],
        )
        .relocations(4, &[(0, 4, 0)]);
    let expected = [expect("f", None, Some(0x0102_0304)), expect("g", None, Some(0))];
    assert_eq!(seen(sketch), expected);
}

#[test]
fn exports_without_crcs_or_namespaces() {
    let sketch = Sketch::new(Order::Little, X86_64)
        .section("__ksymtab_gpl", vec![0; 16])
        .section("__ksymtab_strings", *b"f\0g\0")
        .symbol("f", GLOBAL, 1, 0)
        .symbol("", 3, 3, 0)
        .relocations(2, &[(0, 1, 0), (4, 2, 0), (8, 1, 0), (12, 2, 2)]);
    assert_eq!(seen(sketch), [expect("f", None, None), expect("g", None, None)]);
}

#[test]
fn exports_whose_names_cannot_be_read_export_nothing_and_keep_their_place() {
    let sketch = |relocations: &[(u64, u64, u64)]| {
        exporter(Order::Little, X86_64, 12, b"f\0g\0", &[1, 0, 0, 0, 2, 0, 0, 0]).relocations(2, relocations)
    };
    let outside = sketch(&[(0, 1, 0), (4, 2, 500), (12, 1, 0), (16, 2, 2)]);
    assert_eq!(seen(outside), [expect("", None, Some(1)), expect("g", None, Some(2))]);
    let without_value = sketch(&[(4, 2, 0)]);
    assert_eq!(seen(without_value), []);
}

#[test]
fn a_module_with_more_text_than_any_is_refused() {
    let many = b"a=b\0".repeat(MAX_TEXTS / 2 + 1);
    let long = [b"a=".to_vec(), vec![b'x'; MAX_TEXT_BYTES]].concat();
    for modinfo in [many, long] {
        let defect = Sketch::new(Order::Little, X86_64)
            .section(".modinfo", modinfo)
            .read()
            .unwrap_err();
        assert!(defect.message.contains("more names"), "{}", defect.message);
    }
    let endless: &'static str = "x".repeat(symbols::MAX_NAME + 1).leak();
    let defect = Sketch::new(Order::Little, X86_64)
        .undefined(endless)
        .read()
        .unwrap_err();
    assert!(defect.message.contains("without an end"), "{}", defect.message);
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
