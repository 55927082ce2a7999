#!/bin/sh
# A key that signs modules, and its certificate, as the two Secrets that KMM's `sign` section takes. Printed for kubectl:
#
#     examples/build/keys.sh drivers | kubectl apply -f -
#
# For a real cluster the certificate has to be among those that the nodes' kernels trust: enrol cert.der by `mokutil --import`.
set -eu
namespace=${1:?the namespace of the Module}

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=kernel modules of $namespace" \
    -keyout "$folder/key.pem" -outform DER -out "$folder/cert.der" 2>/dev/null

# secret NAME KEY FILE
secret() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: %s\ndata:\n  %s: %s\n' \
        "$1" "$namespace" "$2" "$(base64 -w0 "$3")"
}
secret signing-key key "$folder/key.pem"
secret signing-cert cert "$folder/cert.der"
