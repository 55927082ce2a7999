#!/usr/bin/env python3
"""Creates preflights through an API server with and without admission, in turns, and prints what admission adds.

usage: admission.py KUBECONFIG OUR_PORT PEER_PORT CREATES      as benches/admission calls it.
"""

import http.client
import json
import ssl
import statistics
import sys
import time
import urllib.parse

ROUNDS = 4
GROUP = "kmm.sigs.x-k8s.io"
PREFLIGHTS = f"/apis/{GROUP}/v1beta2/preflightvalidationsocp"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
# How long an API server may take to hear of a changed configuration.
HEARD = 3


class ApiServer:
    """One connection, kept open, as clients of Go keep theirs."""

    def __init__(self, kubeconfig):
        config = json.load(open(kubeconfig))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        address = urllib.parse.urlsplit(cluster["server"])
        self.connection = http.client.HTTPSConnection(address.hostname, address.port, context=context)

    def ask(self, method, path, body=None, media_type="application/json"):
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": media_type})
        response = self.connection.getresponse()
        answer = response.read()
        if response.status >= 400 and not (method == "DELETE" and response.status == 404):
            sys.exit(f"{method} {path}: {response.status} {answer[:300]!r}")
        return json.loads(answer)


def configuration(kind, port, path, bundle):
    name = "default" if kind.startswith("Mutating") else "validate"
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": ["v1beta2"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["preflightvalidationsocp"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "measured"},
        "webhooks": [
            {
                "name": f"{name}.preflightvalidationsocp.{GROUP}",
                "clientConfig": {"url": f"https://localhost:{port}/{path}/preflightvalidationocp", "caBundle": bundle},
                "rules": [rule],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def admit_by(api, configurations):
    """Nobody but these is asked from now on."""
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        api.ask("DELETE", f"{CONFIGURATIONS}/{plural}/measured")
    for one in configurations:
        api.ask("POST", f"{CONFIGURATIONS}/{one['kind'].lower()}s", one)
    time.sleep(HEARD)


def creates(api, name, count):
    """How long each create takes, in milliseconds; the first few only warm up."""
    taken = []
    for number in range(count + 20):
        preflight = {
            "apiVersion": f"{GROUP}/v1beta2",
            "kind": "PreflightValidationOCP",
            "metadata": {"name": f"{name}-{number}"},
            "spec": {"kernelVersion": "5.14.0-570.19.1.el9_6.x86_64", "pushBuiltImage": False},
        }
        began = time.perf_counter()
        api.ask("POST", PREFLIGHTS, preflight)
        taken.append((time.perf_counter() - began) * 1000)
    api.ask("DELETE", PREFLIGHTS)
    return taken[20:]


def main():
    kubeconfig, our_port, peer_port, count = sys.argv[1], *map(int, sys.argv[2:])
    api = ApiServer(kubeconfig)
    secret = api.ask("GET", "/api/v1/namespaces/kmm-preflight/secrets/kmm-preflight-webhook")
    bundle = secret["data"]["ca.crt"]
    validating, mutating = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"
    ways = {
        "none": [],
        "peer": [configuration(validating, peer_port, "validate", bundle)],
        "ours": [configuration(validating, our_port, "validate", bundle)],
        "ours, both": [
            configuration(mutating, our_port, "mutate", bundle),
            configuration(validating, our_port, "validate", bundle),
        ],
    }
    taken = {way: [] for way in ways}
    for turn in range(ROUNDS):
        for at, (way, configurations) in enumerate(ways.items()):
            admit_by(api, configurations)
            taken[way] += creates(api, f"turn-{turn}-{at}", count // ROUNDS)
    admit_by(api, [])
    base = statistics.median(taken["none"])
    added = {way: statistics.median(times) - base for way, times in taken.items()}
    print(f"{'admission by':14}{'p50 ms':>8}{'p90 ms':>8}{'adds ms':>9}{'of peer':>9}")
    for way, times in taken.items():
        tenth = statistics.quantiles(times, n=10)[-1]
        share = f"{added[way] / added['peer']:9.2f}" if way != "none" else ""
        print(f"{way:14}{statistics.median(times):8.2f}{tenth:8.2f}{added[way]:9.2f}{share}")


main()
