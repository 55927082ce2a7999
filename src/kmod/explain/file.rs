//! Texts: the file, its signature and its ELF image.

use super::Explanation;
use crate::api::Rule;

const SIGNING: &str = "`kernel/module/signing.c: module_sig_check`";
const VALIDITY: &str = "`kernel/module/main.c: elf_validity_cache_copy` (before 6.4 `elf_validity_check`)";

pub(super) const TEXTS: &[Explanation] = &[
    Explanation {
        rule: Rule::FileDamaged,
        title: "the compressed file is damaged",
        meaning: "The gzip, xz or zstd data ends early or does not match its checksum; nothing can be unpacked.",
        see: "xz -t FILE.ko.xz\ngzip -t FILE.ko.gz\nzstd -t FILE.ko.zst",
        mend: "Build the image again, from a good file.",
        source: "kmod `libkmod/libkmod-file.c`; `kernel/module/decompress.c`",
        depends_on: "nothing with KMM's worker, whose kmod 28 unpacks by itself; kmod 31 and later leave it to kernels with \
                     `CONFIG_MODULE_DECOMPRESS`, as far as these know the format",
        certainty: "Sure. Which formats the worker's kmod reads depends on its build; those of UBI 9 and later read all.",
    },
    Explanation {
        rule: Rule::FileTooLarge,
        title: "the file is larger than this program reads",
        meaning: "To stay small, this program does not read files beyond a limit. The module was not checked.",
        see: "ls -l FILE.ko",
        mend: "Strip debug information: `strip --strip-debug FILE.ko`.",
        source: "a limit of this program",
        depends_on: "",
        certainty: "Nothing is known of the file, and nobody should upgrade on that.",
    },
    Explanation {
        rule: Rule::SignatureMissing,
        title: "not signed",
        meaning: "The kernel enforces signatures and the file has none: `Loading of unsigned module is rejected`. \
                  `--force` and its relatives make every module count as unsigned.",
        see: "tail -c 28 FILE.ko   # ~Module signature appended~\nmodinfo -F signer FILE.ko",
        mend: "Name the file in `filesToSign`, or sign it with `sign-file` of the kernel's headers.",
        source: SIGNING,
        depends_on: "`CONFIG_MODULE_SIG`, `CONFIG_MODULE_SIG_FORCE`, `CONFIG_LOCK_DOWN_KERNEL_FORCE_*`, `module.sig_enforce`, lockdown, Secure Boot",
        certainty: "Sure where signatures are enforced; that is assumed of Modules with a `sign` section.",
    },
    Explanation {
        rule: Rule::SignatureMalformed,
        title: "a signature that cannot be read",
        meaning: "The file ends with the signature's mark, but what stands before it is not a PKCS#7 signature as the \
                  kernel reads it. The kernel refuses the file even where signatures are not enforced.",
        see: "modinfo FILE.ko\ntail -c 40 FILE.ko | xxd",
        mend: "Sign the file again, or strip the signature: `strip --strip-debug` removes it.",
        source: "`kernel/module_signature.c: mod_check_sig`; `crypto/asymmetric_keys/pkcs7_parser.c`",
        depends_on: "`CONFIG_MODULE_SIG` (assumed where the configuration is not known)",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::SignatureUntrusted,
        title: "signed by somebody else",
        meaning: "The signature is by a key that is not among the trusted ones. Where signatures are enforced, the file \
                  is refused.",
        see: "modinfo -F signer FILE.ko\nmodinfo -F sig_key FILE.ko\nmokutil --list-enrolled   # on a node",
        mend: "Sign with the key of the trusted certificate, or enrol the signer's certificate on the nodes.",
        source: SIGNING,
        depends_on: "`CONFIG_MODULE_SIG`, enforcement as for `signature-missing`",
        certainty: "As sure as the list of trusted certificates: the kernel's own build key is not known here.",
    },
    Explanation {
        rule: Rule::SignatureUnsupported,
        title: "a signature that this kernel cannot verify",
        meaning: "The signature is made with algorithms that the kernel was not built with: ECDSA keys on kernels without \
                  it (Debian 12's own, most before 5.13), keys of P-521 before 6.10, a hash that it does not have. Where \
                  signatures are enforced, the file is refused, whoever signed it.",
        see: "modinfo -F sig_hashalgo FILE.ko\ngrep -E 'CRYPTO_(ECDSA|SHA)' /boot/config-KERNEL\n\
              dmesg | grep 'Problem loading X.509'   # on a node: certificates that the kernel could not use",
        mend: "Sign with an RSA key of 2048, 3072 or 4096 bits and SHA-256; every kernel that verifies modules has both.",
        source: "`crypto/asymmetric_keys/public_key.c`, `x509_cert_parser.c` and `pkcs7_verify.c`",
        depends_on: "`CONFIG_CRYPTO_ECDSA`, `CONFIG_CRYPTO_SHA1`, `CONFIG_CRYPTO_SHA512`, `CONFIG_CRYPTO_SHA3`; enforcement as \
                     for `signature-missing`",
        certainty: "Sure with the kernel's configuration; without it, only algorithms that no kernel knows are seen. A hash \
                    that is a module counts as there.",
    },
    Explanation {
        rule: Rule::SignatureMismatch,
        title: "altered after signing",
        meaning: "The signature is by a trusted key, but over other bytes: the file was stripped or changed after it \
                  was signed. The kernel refuses it even where signatures are not enforced. With `--force` and its relatives \
                  modprobe itself changes a packed file, which it unpacks first.",
        see: "modinfo FILE.ko\nopenssl smime -verify …   # over the file without its signature",
        mend: "Sign last, after strip and everything else that changes the file; do not force packed modules.",
        source: "`kernel/module/signing.c: module_sig_check`; kmod `libkmod/libkmod-module.c: kmod_module_insert_module`",
        depends_on: "`CONFIG_MODULE_SIG`; the certificate is in the kernel's trusted keyrings",
        certainty: "Sure where the certificate is the one that the kernel trusts.",
    },
    Explanation {
        rule: Rule::SignaturePresent,
        title: "signed, not verified",
        meaning: "The file has a well-formed signature, and the finding says by whom. No trusted certificate is known \
                  here, so it was not verified.",
        see: "modinfo -F signer FILE.ko",
        mend: "Name the certificate: `--trusted-cert FILE`, or put the Module's `certSecret` among the files.",
        source: SIGNING,
        depends_on: "",
        certainty: "That it is there is sure; that it is good is not known.",
    },
    Explanation {
        rule: Rule::SignatureGood,
        title: "a good signature",
        meaning: "The signature fits the file and is by the key of a trusted certificate.",
        see: "modinfo -F signer FILE.ko",
        mend: "Nothing to mend.",
        source: SIGNING,
        depends_on: "",
        certainty: "Sure. That the nodes trust the certificate as well is for their owner to know.",
    },
    Explanation {
        rule: Rule::ElfMalformed,
        title: "not a file that the kernel takes",
        meaning: "The kernel's first checks refuse it: not ELF, not relocatable, impossible tables, names without an \
                  end, common symbols, code that may be written to, no sections for trampolines (arm64's `.plt`, `.text.ftrace_trampoline`), exports \
                  without flags since Linux 7.1; or it gives up later, as it does of two sections of one name since Linux 6.12, \
                  which modprobe takes for success. It warns of a module that the kernel would load under \
                  another name than it gives itself.",
        see: "readelf -h FILE.ko\nreadelf -S FILE.ko\ndmesg | tail   # on a node, after insmod",
        mend: "Build it again with kbuild, against this kernel's headers; do not post-process it with tools that rewrite sections.",
        source: "`kernel/module/main.c: elf_validity_cache_copy` (before 6.4 `elf_validity_check`), \
                 `check_export_symbol_sections`; `kernel/module/strict_rwx.c: module_enforce_rwx_sections`; \
                 `kernel/module/sysfs.c: mod_sysfs_setup`; \
                 `arch/*/kernel/module*.c: module_frob_arch_sections`",
        depends_on: "`CONFIG_STRICT_MODULE_RWX` for code that may be written to, `CONFIG_ARM64_MODULE_PLTS` for trampolines \
                     before 6.5, `CONFIG_KALLSYMS` for sections of one name (all assumed where the configuration is not known)",
        certainty: "Sure. Kernels before 6.4, before 6.13 and since are told apart by their release; what a distribution has \
                    taken over from later ones is not known.",
    },
    Explanation {
        rule: Rule::ElfTruncated,
        title: "the file ends too early",
        meaning: "A section lies beyond the end of the file: it was cut off on the way, or its section table lies.",
        see: "readelf -S FILE.ko",
        mend: "Build the image again, from a whole file.",
        source: VALIDITY,
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::ElfMachine,
        title: "a module for another processor",
        meaning: "The file's `e_machine` is not that of the kernel: `Exec format error`.",
        see: "readelf -h FILE.ko | grep Machine",
        mend: "Build it on, or cross-compile it for, the kernel's architecture.",
        source: "`kernel/module/main.c: elf_validity_ehdr`",
        depends_on: "",
        certainty: "Sure where the kernel's architecture is known.",
    },
    Explanation {
        rule: Rule::ElfStripped,
        title: "no symbol table",
        meaning: "The file was stripped with `strip` or `strip --strip-all`, and the kernel cannot link it: `module has \
                  no symbols (stripped?)`.",
        see: "readelf -s FILE.ko",
        mend: "Strip modules with `--strip-debug` only.",
        source: "`kernel/module/main.c: elf_validity_cache_index_sym`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::NotAModule,
        title: "not a kernel module",
        meaning: "The section `.gnu.linkonce.this_module` is missing: this is an object file that kbuild never made a \
                  module of.",
        see: "readelf -S FILE.ko | grep this_module",
        mend: "Ship the `.ko` that `make -C /lib/modules/KERNEL/build M=$PWD modules` leaves behind.",
        source: "`kernel/module/main.c: elf_validity_cache_index_mod`",
        depends_on: "",
        certainty: "Sure.",
    },
    Explanation {
        rule: Rule::ModuleStructSize,
        title: "`struct module` has another size or order",
        meaning: "The file was built for a kernel whose configuration makes `struct module` larger or smaller. Linux 6.4 \
                  and later refuse it; earlier ones do not look: they take a larger one as it is, and one that is too small \
                  overlaps with what stands behind it, which destroys either. Of the same size it may have its fields in \
                  another order: then the pointer to its end function is written where the kernel has something else, which \
                  x86 refuses (`Invalid relocation target, existing value is nonzero`), while others write over it.",
        see: "readelf -SrW FILE.ko | grep -A4 this_module   # compare with any in-tree module",
        mend: "Build it against this kernel's headers and configuration.",
        source: "`kernel/module/main.c: elf_validity_cache_index_mod`; `arch/x86/kernel/module.c: __write_relocate_add`",
        depends_on: "everything that `struct module` depends on",
        certainty: "Sure since 6.4. Distributions may have the check earlier: before 6.4 a larger one only warns.",
    },
    Explanation {
        rule: Rule::ElfRelocation,
        title: "the kernel cannot link the file",
        meaning: "A relocation is of a type that the kernel does not know, has no addend, does not fit, or is to be written \
                  where something else stands already: `overflow in relocation type …`, `Invalid relocation target, existing \
                  value is nonzero`. The last two are looked for in x86 modules only. It warns of one that is written into \
                  the padding behind a table that the kernel walks through (`.return_sites`, `__mcount_loc` …): the entry \
                  that it was for stays empty, and is passed over. It warns, too, where the relocations of code are gone that \
                  is only run when the module is unloaded.",
        see: "readelf -rW FILE.ko\ndmesg | tail   # on a node, after insmod",
        mend: "Build it again with kbuild; do not post-process it with tools that move or rewrite sections.",
        source: "`arch/x86/kernel/module.c` and `arch/arm64/kernel/module.c: apply_relocate_add`",
        depends_on: "",
        certainty: "Sure of what it says; overflows that depend on where the module comes to lie are not seen.",
    },
    Explanation {
        rule: Rule::KernelCrash,
        title: "the kernel would crash of it",
        meaning: "The kernel does not check everything that it is given. This file passes its checks, and then makes it read or \
                  write where nothing or something else is: sections over one another or outside of the reserved memory, \
                  relocations that lead out of their section or name a symbol that does not exist, code whose relocations are \
                  gone, a `struct module` that is not where its section begins. Some such files end in an error, most in an oops; none is loaded and sound.",
        see: "readelf -SW FILE.ko\nreadelf -rW FILE.ko\nreadelf -sW FILE.ko",
        mend: "Build it again with kbuild, and never load this one.",
        source: "`kernel/module/main.c: layout_sections, move_module, apply_relocations`; `kernel/module/kallsyms.c: layout_symtab, \
                 add_kallsyms`",
        depends_on: "",
        certainty: "That it does not load as it should is sure; whether the kernel says so or dies depends on what lies in its \
                    memory.",
    },
];
