#!/usr/bin/env python3
"""Writes an OCI layout for benches/sign: one layer with FILES modules of MB megabytes, half of each text-like and half
random, as compressible as real ones. Prints the layer's file. With --show, prints a file of the topmost layer."""

import gzip
import hashlib
import io
import json
import pathlib
import random
import sys
import tarfile

KIND = "application/vnd.oci.image."
NAME = "org.opencontainers.image.ref.name"


def main(files, megabytes, layout):
    layout = pathlib.Path(layout)
    (layout / "blobs/sha256").mkdir(parents=True)
    raw = tar_of(int(files), int(megabytes) * 1_000_000)
    layer = put(layout, gzip.compress(raw, 6, mtime=0), "layer.v1.tar+gzip")
    diff_id = "sha256:" + hashlib.sha256(raw).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    config = put(layout, json.dumps(config).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": KIND + "manifest.v1+json", "config": config, "layers": [layer]}
    entry = put(layout, json.dumps(manifest).encode(), "manifest.v1+json") | {"annotations": {NAME: "x"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    print(path_of(layout, layer))


def tar_of(files, size):
    rng = random.Random(1)
    text = " ".join(f"word{rng.randrange(5000)}" for _ in range(size // 6)).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(files):
            body = rng.randbytes(size // 2)
            body += text[: size - len(body)]
            info = tarfile.TarInfo(f"opt/lib/modules/6.1.0/m{number:03}.ko")
            info.size, info.mode = len(body), 0o644
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()


def put(layout, data, kind):
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": KIND + kind, "digest": "sha256:" + digest, "size": len(data)}


def path_of(layout, part):
    return layout / "blobs" / part["digest"].replace(":", "/")


def show(layout, name):
    layout = pathlib.Path(layout)
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(path_of(layout, index["manifests"][0]).read_bytes())
    with tarfile.open(path_of(layout, manifest["layers"][-1])) as tar:
        sys.stdout.buffer.write(tar.extractfile(name).read())


if __name__ == "__main__":
    if sys.argv[1] == "--show":
        show(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
