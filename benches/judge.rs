//! How long one module takes to judge against a whole kernel: 200 symbols with CRCs, of 30,000 that are exported.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use divan::{Bencher, black_box};
use kmm_preflight::kernel::Architecture;
use kmm_preflight::kmod::config::KernelConfig;
use kmm_preflight::kmod::facts::{
    Crcs, ElfModule, ModuleContent, ModuleFile, Packing, Signature, StructModule, Undefined, Versions,
};
use kmm_preflight::kmod::judge;
use kmm_preflight::kmod::load::{Load, LoadCommand, LoadedModules, SignaturePolicy};
use kmm_preflight::kmod::staged::{Entry, Folder, Program, StagedFolder, StagedImage, Tool};
use kmm_preflight::kmod::symvers::Symvers;
use kmm_preflight::kmod::toolkit::{Toolkit, ToolkitEvidence};

const KERNEL: &str = "6.1.0-50-cloud-amd64";
const EXPORTED: u32 = 30_000;
const NEEDED: u32 = 200;
const THIS_MODULE: StructModule = StructModule {
    size: 1024,
    start: Some(312),
    end: Some(900),
};

fn main() {
    divan::main();
}

#[divan::bench]
fn one_module_against_a_whole_kernel(bencher: Bencher<'_, '_>) {
    let (staged, load, toolkit) = (image(), load(), toolkit());
    assert_eq!(
        judge(&staged, &load, &toolkit).len(),
        1,
        "the toolkit has no in-tree modules, and that is all"
    );
    bencher.bench(|| judge(black_box(&staged), black_box(&load), black_box(&toolkit)));
}

/// Names as long as the kernel's are.
fn symbol(number: u32) -> String {
    format!("some_subsystem_function_{number}")
}

fn toolkit() -> ToolkitEvidence {
    let mut text = String::from("0x00000001\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n");
    for number in 0..EXPORTED {
        writeln!(text, "{number:#010x}\t{}\tvmlinux\tEXPORT_SYMBOL_GPL\t", symbol(number)).expect("memory");
    }
    let options = "CONFIG_MODVERSIONS=y\nCONFIG_X86_64=y\nCONFIG_SMP=y\n";
    ToolkitEvidence::Found(Arc::new(Toolkit {
        image: "dtk".to_owned(),
        kernel: KERNEL.to_owned(),
        symvers: Some(Arc::new(Symvers::read(text.as_bytes()).expect("a table"))),
        config: Some(Arc::new(KernelConfig::parse(options))),
        in_tree: None,
        vermagic: None,
        this_module: Some(THIS_MODULE),
        has_export_flags: Some(false),
    }))
}

fn image() -> StagedImage {
    let present = Tool::Present(Program::Elf(Architecture::X86_64.elf_machine()));
    let index = include_bytes!("../tests/fixtures/kmod/modules.dep.bin").to_vec();
    let entries = BTreeMap::from([
        ("extra/kmmp_lone.ko".to_owned(), Entry::Module(Arc::new(module()))),
        ("modules.dep.bin".to_owned(), Entry::Index(Arc::new(index))),
    ]);
    StagedImage {
        sh: present,
        mkdir: present,
        cp: present,
        folder: StagedFolder::Folder(Arc::new(Folder { entries })),
        has_modprobe_config: false,
        firmware: None,
        unread: Vec::new(),
    }
}

fn module() -> ModuleFile {
    let needed = (0..NEEDED).map(|n| n * (EXPORTED / NEEDED));
    let mut crcs: Vec<(String, u64)> = needed
        .clone()
        .map(|number| (symbol(number), u64::from(number)))
        .collect();
    crcs.push(("module_layout".to_owned(), 1));
    let info = [
        ("license", "GPL"),
        ("vermagic", "6.1.0-49-cloud-amd64 SMP modversions "),
    ];
    let elf = ElfModule {
        machine: Architecture::X86_64.elf_machine(),
        this_module: THIS_MODULE,
        name: Some("kmmp_lone".to_owned()),
        modinfo: info.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        versions: Versions {
            basic: Some(Crcs(crcs)),
            extended: None,
        },
        undefined: needed
            .map(|number| Undefined {
                name: symbol(number),
                weak: false,
            })
            .collect(),
        exports: Vec::new(),
        parameters: Some(Box::default()),
        flaws: Vec::new(),
        link_flaws: Vec::new(),
    };
    let content = ModuleContent {
        signature: Signature::Absent,
        elf: Ok(elf),
        earlier: Vec::new(),
    };
    ModuleFile {
        packing: Packing::Plain,
        size: 1 << 20,
        content: Ok(content),
    }
}

fn load() -> Load {
    Load {
        kernel: KERNEL.to_owned(),
        architecture: Some(Architecture::X86_64),
        dir_name: "/opt".to_owned(),
        command: LoadCommand::Named {
            module: "kmmp_lone".to_owned(),
            args: Vec::new(),
            parameters: Vec::new(),
        },
        loading_order: Vec::new(),
        in_tree_to_remove: Vec::new(),
        signatures: SignaturePolicy::default(),
        loaded: LoadedModules::default(),
    }
}
