#!/usr/bin/env python3
"""Writes an OCI image layout from staged folders: the same folders always give the same bytes.

    layout.py IMAGES.toml STAGE OUT

IMAGES.toml names, for each image, the platforms it is for and the folders of STAGE that are its layers.
"""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

CREATED = "2026-01-01T00:00:00Z"
MTIME = 1767225600
OCI = "application/vnd.oci.image"
REFERENCE = "org.opencontainers.image.ref.name"


def main(recipes, stage, out):
    layout = Layout(Path(out), Path(stage))
    images = tomllib.loads(Path(recipes).read_text())["image"]
    manifests = [layout.image(image) | {"annotations": {REFERENCE: image["reference"]}} for image in images]
    layout.finish(manifests)


class Layout:
    def __init__(self, root, stage):
        self.root, self.stage, self.layers = root, stage, {}
        shutil.rmtree(root, ignore_errors=True)
        (root / "blobs/sha256").mkdir(parents=True)

    def finish(self, manifests):
        write_json(self.root / "oci-layout", {"imageLayoutVersion": "1.0.0"})
        write_json(self.root / "index.json", {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json",
                                              "manifests": manifests})

    def image(self, image):
        """One manifest, or an index of several where the image is for several platforms."""
        platforms = [self.manifest(arch, steps) for arch, steps in image["platforms"].items()]
        if len(platforms) == 1:
            return platforms[0]
        platforms = [manifest | {"platform": {"architecture": arch, "os": "linux"}}
                     for arch, manifest in zip(image["platforms"], platforms)]
        index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": platforms}
        return self.blob(f"{OCI}.index.v1+json", to_json(index))

    def manifest(self, arch, steps):
        layers = [self.layer(step) for step in steps]
        config = self.blob(f"{OCI}.config.v1+json", to_json(image_config(arch, steps, layers)))
        manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config,
                    "layers": [descriptor for descriptor, _ in layers]}
        return self.blob(f"{OCI}.manifest.v1+json", to_json(manifest))

    def layer(self, step):
        """Descriptor and diff id of a layer; a folder that several images share is packed once."""
        folder, packing = step["folder"], step.get("packing", "gzip")
        if folder not in self.layers:
            tar = tar_of(self.stage / folder)
            descriptor = self.blob(f"{OCI}.layer.v1.tar+{packing}", PACK[packing](tar))
            self.layers[folder] = descriptor, digest(tar)
        return self.layers[folder]

    def blob(self, media_type, data):
        name = digest(data)
        (self.root / "blobs" / name.replace(":", "/")).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data)}


def image_config(arch, steps, layers):
    return {
        "created": CREATED,
        "architecture": arch,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created": CREATED, "created_by": step["created_by"]} for step in steps],
    }


def tar_of(folder):
    """A tar of a folder: sorted, owned by root, with one time for all; hard links stay hard links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            info = tar.gettarinfo(str(path), str(path.relative_to(folder)))
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = MTIME
            info.mode = mode_of(info)
            if info.isreg():
                with path.open("rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return out.getvalue()


def mode_of(info):
    if info.issym():
        return 0o777
    if info.isdir():
        return 0o1777 if info.name == "tmp" else 0o755
    return 0o755 if info.mode & 0o100 else 0o644


def zstd(data):
    return subprocess.run(["zstd", "-19", "-q", "-c"], input=data, capture_output=True, check=True).stdout


PACK = {"gzip": lambda data: gzip.compress(data, 9, mtime=0), "zstd": zstd}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def to_json(value):
    return json.dumps(value, indent=2).encode() + b"\n"


def write_json(path, value):
    path.write_bytes(to_json(value))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
