#!/usr/bin/env python3
"""Makes variants of compiled modules and says of each what is special about it.

    variants.py kernel CACHE KERNEL SIGN_FILE    CACHE/KERNEL/build → modules/, folders/, modules.json
    variants.py manifest CACHE KERNEL…           all modules.json → CACHE/manifest.json

`loads` in the manifest is what the kernel that a module was built for does with it, when signatures are not enforced and
everything it depends on is loaded; `refusal` names the reason in the words of kmm-preflight's rules. All of it, and the
values of parameters, was seen on Debian's 6.1.0-50 and 6.12.107 kernels. On any other kernel than its own each module is
refused too: by the size of struct module from Linux 6.4 on, else by the CRC of module_layout. Where signatures are
enforced, the kernel looks at them before anything else.
"""

import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

SIGNATURE_MARK = b"~Module signature appended~\n"


class Kernel:
    """The modules of one kernel, as they come into being."""

    def __init__(self, cache, release, sign_file):
        self.cache, self.release, self.sign_file = cache, release, sign_file
        self.root = cache / release
        self.built = self.root / "build"
        self.cross = "aarch64-linux-gnu-" if release.endswith("arm64") else ""
        self.modules = []
        for name in ("modules", "folders"):
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir()

    def write(self, file, data, what, loads=True, refusal=None, **more):
        path = self.root / "modules" / file
        path.write_bytes(data)
        self.modules.append({"file": f"{self.release}/modules/{file}", "built_for": self.release, "what": what,
                             "loads": loads} | ({"refusal": refusal} if refusal else {}) | more)

    def refused(self, file, data, what, refusal, **more):
        self.write(file, data, what, False, refusal, **more)

    def section(self, data, name):
        """The bytes of a section."""
        return self.objcopy(data, "--dump-section", f"{name}={self.built}/section", keep=False)

    def with_section(self, data, name, content):
        (self.built / "section").write_bytes(content)
        return self.objcopy(data, "--update-section", f"{name}={self.built}/section")

    def objcopy(self, data, *args, keep=True):
        work, out = self.built / "in.ko", self.built / "out.ko"
        work.write_bytes(data)
        cross = self.cache / "debian/usr/bin" if self.cross else Path("")
        env = {"LD_LIBRARY_PATH": str(self.cache / "debian/usr/lib/x86_64-linux-gnu")} if self.cross else None
        subprocess.run([str(cross / f"{self.cross}objcopy"), *args, str(work), str(out)], check=True, env=env)
        return out.read_bytes() if keep else (self.built / "section").read_bytes()

    def signed(self, data, key):
        """What the kernel's own sign-file makes of it."""
        work = self.built / "sign.ko"
        work.write_bytes(data)
        keys = self.cache / "keys"
        subprocess.run([self.sign_file, "sha256", keys / f"{key}.pem", keys / f"{key}.crt", work], check=True)
        return work.read_bytes()


def make_kernel(cache, release, sign_file):
    kernel = Kernel(Path(cache), release, sign_file)
    as_compiled(kernel)
    plain = (kernel.root / "modules/plain.ko").read_bytes()
    for make in (packed, signed, broken_files, other_versions, other_modinfo):
        make(kernel, plain)
    folders(kernel)
    (kernel.root / "modules.json").write_text(json.dumps(kernel.modules, indent=2) + "\n")


def as_compiled(kernel):
    sound = {
        "plain": ("needs one symbol of the kernel", {}),
        "params": ("has a parameter of every type", {"parameters": PARAMETERS}),
        "exporter": ("exports symbols", {"exports": ["exporter_plain", "exporter_gpl", "exporter_in_namespace"]}),
        "importer": ("uses exporter's symbols and imports their namespace", {"needs": ["exporter"]}),
        "weak": ("a weak symbol that nobody exports", {}),
        "proprietary": ("proprietary, uses nothing that is GPL-only", {}),
        "needs_in_tree": ("uses crc32c() of the in-tree module libcrc32c", {"needs_in_tree": ["libcrc32c"]}),
        "aliases": ("device tables and aliases", {"aliases": ["another-name", "pattern-*-[0-9]"]}),
        "softdeps": ("soft dependencies, one of which does not exist", {"softdep": ["plain", "no_such_module", "aliases"]}),
    }
    unsound = {
        "missing_symbol": ("a symbol that nobody exports", "symbol-missing", {"symbol": "nobody_exports_this"}),
        "importer_no_ns": ("a symbol whose namespace it does not import", "symbol-namespace",
                           {"symbol": "exporter_in_namespace", "needs": ["exporter"]}),
    }
    for name, (what, more) in sound.items():
        kernel.write(f"{name}.ko", (kernel.built / f"sound/{name}.ko").read_bytes(), what, **more)
    mismarked = {
        "proprietary_gpl": ("proprietary, uses a GPL-only symbol", "symbol-gpl-only", {"symbol": "crypto_alloc_shash"}),
        "duplicate": ("exports a symbol that the kernel exports", "symbol-duplicate", {"symbol": "hex_to_bin"}),
    }
    for folder, table in (("unsound", unsound), ("mismarked", mismarked)):
        for name, (what, refusal, more) in table.items():
            kernel.refused(f"{name}.ko", (kernel.built / f"{folder}/{name}.ko").read_bytes(), what, refusal, **more)


# Values by parameter: those that the kernel takes, and those for which it refuses the module (kernel/params.c).
PARAMETERS = {
    "p_byte": {"good": ["0", "255", "0x7f"], "bad": ["256", "-1", ""]},
    "p_short": {"good": ["-32768", "32767"], "bad": ["32768", "x"]},
    "p_ushort": {"good": ["65535"], "bad": ["65536", "-1"]},
    "p_int": {"good": ["-1", "+1", "010", "0x10"], "bad": ["2147483648", "1k", "1O", "1.0"]},
    "p_uint": {"good": ["4294967295"], "bad": ["4294967296", "-1"]},
    "p_long": {"good": ["-9223372036854775808"], "bad": ["9223372036854775808"]},
    "p_ulong": {"good": ["18446744073709551615"], "bad": ["18446744073709551616"]},
    "p_ullong": {"good": ["18446744073709551615"], "bad": ["18446744073709551616", "-1"]},
    "p_hexint": {"good": ["0xff", "255"], "bad": ["ff", "fg"]},
    "p_charp": {"good": ["anything", ""], "bad": ["x" * 1025]},
    "p_bool": {"good": ["1", "y", "Y", "0", "n", "on", "off", "yes", "true", "f"], "bad": ["2", "maybe"]},
    "p_invbool": {"good": ["1", "N"], "bad": ["x"]},
    "p_bool_enable_only": {"good": ["1"], "bad": ["x"]},
    "p_array": {"good": ["1", "1,2,3,4"], "bad": ["1,2,3,4,5", "1,x"]},
    "p_string": {"good": ["1234567"], "bad": ["12345678"]},
    "p_even": {"good": ["2"], "bad": ["3", "x"]},
}


def packed(kernel, plain):
    kernel.write("plain-gzip.ko.gz", gzip.compress(plain, mtime=0), "packed with gzip", packing="gzip")
    xz = pipe(plain, "xz", "--check=crc32", "--lzma2=dict=1MiB", "-c")
    kernel.write("plain-xz.ko.xz", xz, "packed with xz as the kernel's build does", packing="xz")
    kernel.write("plain-zstd.ko.zst", pipe(plain, "zstd", "-19", "-q", "-c"), "packed with zstd", packing="zstd")
    kernel.write("plain-misnamed.ko.gz", xz, "packed with xz, named .gz", packing="xz")
    kernel.refused("plain-cut.ko.xz", xz[:-40], "packed with xz, cut off", "file-damaged", packing="xz")


def signed(kernel, plain):
    good = kernel.signed(plain, "trusted")
    middle = good.index(b"description=plain") + len("description=")
    altered = good[:middle] + b"PLAIN" + good[middle + 5:]
    kernel.write("plain-signed.ko", good, "signed with keys/trusted", signed_by="trusted")
    kernel.write("plain-signed-by-other.ko", kernel.signed(plain, "other"), "signed with keys/other", signed_by="other")
    kernel.write("plain-signed-twice.ko", kernel.signed(good, "trusted"), "signed twice", signed_by="trusted")
    kernel.write("plain-altered.ko", altered, "signed with keys/trusted, then altered: refused where that key is "
                 "trusted, else let pass as if by an unknown key", signed_by="trusted", altered=True)
    kernel.write("plain-signature-mark-only.ko", plain + SIGNATURE_MARK, "the mark of a signature and nothing before it: a "
                 "signature of unknown kind, which the kernel lets pass where it enforces none")
    lying = plain + b"\x00\x00\x02\x00\x00\x00\x00\x00\x7f\xff\xff\xff" + SIGNATURE_MARK
    kernel.refused("plain-signature-lies.ko", lying, "a signature that claims to be longer than the file",
                   "signature-malformed")
    kernel.write("plain-stripped-of-signature.ko", good[:-len(SIGNATURE_MARK)], "signed, then the mark cut off: for the "
                 "kernel not signed at all")


def broken_files(kernel, plain):
    kernel.refused("plain-cut.ko", plain[:len(plain) // 2], "the first half of the file", "elf-truncated")
    kernel.refused("plain-empty.ko", b"", "an empty file", "elf-malformed")
    kernel.refused("plain-text.ko", b"version https://git-lfs.github.com/spec/v1\n" * 10, "a text file", "elf-malformed")
    kernel.refused("plain-stripped.ko", kernel.objcopy(plain, "--strip-all"), "stripped of its symbols", "elf-stripped")
    kernel.refused("plain-object.ko", (kernel.built / "sound/plain.o").read_bytes(),
                   "an object file that is not linked into a module", "not-a-module")
    module = kernel.section(plain, ".gnu.linkonce.this_module")
    larger = kernel.with_section(plain, ".gnu.linkonce.this_module", module + bytes(64))
    what = "struct module of another size"
    if since(kernel.release, 6, 4):
        kernel.refused("plain-larger-struct.ko", larger, what, "module-struct-size")
    else:
        kernel.write("plain-larger-struct.ko", larger, what + ", which this kernel does not look at yet (Linux 6.4 does)")


def other_versions(kernel, plain):
    """The records of `__versions` are a CRC in a long and a name in 56 bytes (include/linux/module.h: modversion_info)."""
    versions = kernel.section(plain, "__versions")
    records = {versions[at + 8:at + 64].rstrip(b"\0").decode(): at for at in range(0, len(versions), 64)}

    def changed(symbol):
        at = records[symbol]
        return kernel.with_section(plain, "__versions", versions[:at] + bytes([versions[at] ^ 1]) + versions[at + 1:])

    at = records["_printk"]
    without = kernel.with_section(plain, "__versions", versions[:at] + versions[at + 64:])
    kernel.refused("plain-crc.ko", changed("_printk"), "another CRC of one symbol", "crc-mismatch", symbol="_printk")
    kernel.refused("plain-layout-crc.ko", changed("module_layout"), "another CRC of module_layout", "crc-mismatch",
                   symbol="module_layout")
    kernel.refused("plain-crc-missing.ko", without, "no CRC of one symbol: Debian's kernels refuse it, others let it pass",
                   "symbol-version-missing", symbol="_printk", refused_by="Debian")
    kernel.write("plain-no-versions.ko", kernel.objcopy(plain, "-R", "__versions"),
                 "no symbol versions: loads only because Debian sets MODULE_FORCE_LOAD", needs_force_load=True)


def other_modinfo(kernel, plain):
    vermagic = re.search(rb"\0vermagic=([^\0]+)\0", kernel.section(plain, ".modinfo")).group(1)
    rest = vermagic.split(b" ", 1)[1]
    kernel.write("plain-no-vermagic.ko", edited(kernel, plain, b"vermagic=" + vermagic, None),
                 "no vermagic: loads only because Debian sets MODULE_FORCE_LOAD", needs_force_load=True)
    kernel.write("plain-other-release.ko", edited(kernel, plain, vermagic, b"6.1.0-0-other " + rest),
                 "vermagic names another release; with symbol versions the kernel skips that word")
    kernel.refused("plain-other-vermagic.ko", edited(kernel, plain, vermagic, vermagic.replace(b"SMP ", b"")),
                   "vermagic of a kernel without SMP", "vermagic-mismatch")
    no_versions = kernel.objcopy(plain, "-R", "__versions")
    kernel.refused("plain-other-release-no-versions.ko", edited(kernel, no_versions, vermagic, b"6.1.0-0-other " + rest),
                   "vermagic names another release, and there are no symbol versions", "vermagic-mismatch")
    kernel.write("plain-no-license.ko", edited(kernel, plain, b"license=GPL", None), "no licence: taken as proprietary, "
                 "and nothing it uses is GPL-only")


def edited(kernel, data, old, new):
    """`.modinfo` with one piece replaced, or with that entry left out."""
    entries = kernel.section(data, ".modinfo").split(b"\0")
    if new is None:
        entries = [entry for entry in entries if entry != old]
    else:
        entries = [entry.replace(old, new) for entry in entries]
    return kernel.with_section(data, ".modinfo", b"\0".join(entries))


def folders(kernel):
    """Folders as they stand in images. `index` says which of depmod's files are left."""
    together = ["plain.ko", "exporter.ko", "importer.ko", "aliases.ko", "softdeps.ko"]
    folder(kernel, "together", together)
    folder(kernel, "packed", ["plain-xz.ko.xz", "plain-gzip.ko.gz", "plain-zstd.ko.zst"])
    for index in folder(kernel, "text-only", ["plain.ko"]).glob("modules.*.bin"):
        index.unlink()
    (folder(kernel, "dependency-missing", ["exporter.ko", "importer.ko"]) / "extra/exporter.ko").unlink()
    in_tree = kernel.root / "toolkit/in-tree"
    if in_tree.exists():
        folder(kernel, "linked", ["needs_in_tree.ko"], host=in_tree)
    folder(kernel, "unlinked", ["needs_in_tree.ko"])


def folder(kernel, name, files, host=None):
    base = kernel.root / "folders" / name
    modules = base / "lib/modules" / kernel.release
    (modules / "extra").mkdir(parents=True)
    for file in files:
        # Variants are made for their content; in a folder they need the name that modprobe looks for.
        shutil.copy(kernel.root / "modules" / file, modules / "extra" / file)
    link = modules / "host"
    if host:
        link.symlink_to(host)
    subprocess.run(["depmod", "-b", base, kernel.release], check=True, stderr=subprocess.DEVNULL)
    if host:
        link.unlink()
        link.symlink_to(f"/lib/modules/{kernel.release}")
    return modules


def make_manifest(cache, *releases):
    cache = Path(cache)
    kernels = [{"release": release, "toolkit": f"{release}/toolkit", "folders": f"{release}/folders",
                "module_layout_crc": crc(cache, release, "module_layout"),
                "in_tree": (cache / release / "toolkit/in-tree").exists()} for release in releases]
    modules = [module for release in releases for module in json.loads((cache / release / "modules.json").read_text())]
    manifest = {"kernels": kernels, "keys": {name: f"keys/{name}.der" for name in ("trusted", "other")},
                "modules": modules}
    (cache / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def crc(cache, release, symbol):
    symvers = (cache / release / "toolkit/Module.symvers").read_text()
    return re.search(rf"^(0x[0-9a-f]+)\t{symbol}\t", symvers, re.MULTILINE).group(1)


def since(release, *version):
    return tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", release).groups()) >= version


def pipe(data, *command):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["kernel", cache, release, sign_file]:
            make_kernel(cache, release, sign_file)
        case ["manifest", cache, *releases]:
            make_manifest(cache, *releases)
        case _:
            sys.exit(__doc__)
