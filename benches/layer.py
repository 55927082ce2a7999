#!/usr/bin/env python3
"""Writes two OCI layouts for benches/layer, WORK/gzip and WORK/zstd: the image REFERENCE of LAYOUT with one more layer
of GIB GiB, which looks like a root file system (files of 4 KiB to 8 MiB, half of it text-like, half of it random)."""

import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tarfile
import io

TYPES = {"gzip": "application/vnd.oci.image.layer.v1.tar+gzip", "zstd": "application/vnd.oci.image.layer.v1.tar+zstd"}


def main(gib, layout, reference, work):
    work, layout = pathlib.Path(work), pathlib.Path(layout)
    tar = work / "layer.tar"
    write_tar(tar, int(gib) << 30)
    manifest = image_manifest(layout, reference)
    for packing, media_type in TYPES.items():
        target = work / packing
        (target / "blobs/sha256").mkdir(parents=True)
        with open(target / "layer", "wb") as out:
            subprocess.run([packing, "-c", str(tar)], stdout=out, check=True)
        descriptor = put_file(target, target / "layer") | {"mediaType": media_type}
        for kept in [manifest["config"], *manifest["layers"]]:
            put(target, (layout / "blobs" / kept["digest"].replace(":", "/")).read_bytes())
        changed = manifest | {"layers": [manifest["layers"][0], descriptor, *manifest["layers"][1:]]}
        entry = put(target, json.dumps(changed).encode()) | {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "annotations": {"org.opencontainers.image.ref.name": "registry.example.com/large:1"},
        }
        (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    tar.unlink()
    (work / "modules.yaml").write_text("""apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {name: large, namespace: large}
spec:
  moduleLoader:
    container:
      modprobe: {moduleName: quicknic}
      kernelMappings: [{regexp: '.', containerImage: 'registry.example.com/large:1'}]
  selector: {}
""")


def write_tar(path, size):
    rng = random.Random(1)
    noise = rng.randbytes(8 << 20)
    text = (" ".join(f"word{rng.randrange(5000)}" for _ in range(1 << 20)).encode() * 2)[: 8 << 20]
    written = number = 0
    with tarfile.open(path, "w") as tar:
        while written < size:
            length = int(4096 * 2 ** rng.uniform(0, 11))
            source = noise if number % 2 else text
            start = rng.randrange(0, len(source) - length + 1) if length < len(source) else 0
            info = tarfile.TarInfo(f"usr/share/large/{number // 500:04}/file-{number:07}")
            info.size = len(source[start : start + length])
            tar.addfile(info, io.BytesIO(source[start : start + length]))
            written += info.size
            number += 1


def image_manifest(layout, reference):
    index = json.loads((layout / "index.json").read_text())
    for entry in index["manifests"]:
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == reference:
            return json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes())
    sys.exit(f"{layout} has no image {reference}")


def put(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def put_file(layout, path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    blob = layout / "blobs/sha256" / digest
    blob.hardlink_to(path)
    return {"digest": f"sha256:{digest}", "size": blob.stat().st_size}


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
