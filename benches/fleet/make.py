#!/usr/bin/env python3
"""Makes a fleet for the benchmark: COUNT images of three layers each (two shared, one of its own with a .ko) in the
storage folder of a docker-registry, and the Modules that use them.

usage: make.py LAYOUT REFERENCE MODULE COUNT STORAGE HOST > modules.yaml

The image REFERENCE of the OCI layout LAYOUT, which loads MODULE, supplies the content; every image of the fleet gets the layers above
its lowest as one, with one more file, so that no two are the same. HOST is what the Modules call the registry, for instance
127.0.0.1:5000. The files are written where the registry keeps them, which takes a second instead of a minute."""

import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def main(layout, reference, module_name, count, storage, host):
    layout = pathlib.Path(layout)
    registry = pathlib.Path(storage) / "docker/registry/v2"
    manifest = image_manifest(layout, reference)
    layers = [blob(layout, layer["digest"]) for layer in manifest["layers"]]
    config = blob(layout, manifest["config"]["digest"])
    own = joined(layers[1:])
    shared = [layers[0], packed({"usr/share/doc/fleet": b"the second layer that all images share\n"})]
    for number in range(int(count)):
        name = f"fleet/module-{number:05}"
        last = gzip.compress(with_file(own, f"opt/fleet/{number}", str(number).encode()), mtime=0)
        put_image(registry, name, config, [*shared, last])
        print(module(f"module-{number:05}", module_name, f"{host}/{name}:1"))


def image_manifest(layout, reference):
    index = json.loads((layout / "index.json").read_text())
    for entry in index["manifests"]:
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == reference:
            return json.loads(blob(layout, entry["digest"]))
    sys.exit(f"{layout} has no image {reference}")


def blob(layout, digest):
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def packed(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def joined(layers):
    """The files of several layers as one tar; of two of one name the later counts."""
    files = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            files.update({member.name: (member, tar.extractfile(member).read()) for member in tar if member.isfile()})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, content in files.values():
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def with_file(tar_bytes, name, content):
    out = io.BytesIO(tar_bytes)
    with tarfile.open(fileobj=out, mode="a") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def put_image(registry, name, config, layers):
    repository = registry / "repositories" / name
    descriptors = [put_blob(registry, repository, layer, LAYER) for layer in layers]
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put_blob(registry, repository, config, "application/vnd.oci.image.config.v1+json"),
        "layers": descriptors,
    }).encode()
    digest = put_data(registry, manifest)
    link(repository / "_manifests/revisions/sha256" / digest, digest)
    link(repository / "_manifests/tags/1/current", digest)
    link(repository / "_manifests/tags/1/index/sha256" / digest, digest)


def put_blob(registry, repository, content, media_type):
    digest = put_data(registry, content)
    link(repository / "_layers/sha256" / digest, digest)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def put_data(registry, content):
    digest = hashlib.sha256(content).hexdigest()
    place = registry / "blobs/sha256" / digest[:2] / digest
    if not (place / "data").exists():
        place.mkdir(parents=True, exist_ok=True)
        (place / "data").write_bytes(content)
    return digest


def link(place, digest):
    place.mkdir(parents=True, exist_ok=True)
    (place / "link").write_text(f"sha256:{digest}")


def module(name, module_name, image):
    return f"""---
apiVersion: kmm.sigs.x-k8s.io/v1beta1
kind: Module
metadata: {{name: {name}, namespace: fleet}}
spec:
  moduleLoader:
    container:
      modprobe: {{moduleName: {module_name}}}
      registryTLS: {{insecure: true}}
      kernelMappings: [{{regexp: '.', containerImage: '{image}'}}]
  selector: {{}}"""


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
