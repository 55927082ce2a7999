#!/usr/bin/env python3
"""Creates preflights through an API server with and without admission, and prints what admission adds.

By whom a preflight is admitted, its label says, so that every way is taken once in each round, in another order every time:
what the machine does to one round it does to all ways alike, and what is added is the median over the rounds.

usage: admission.py KUBECONFIG CREATES floor=PORT peer=PORT ours=PORT      as benches/admission calls it.
"""

import http.client
import json
import random
import ssl
import statistics
import sys
import time
import urllib.parse

GROUP = "kmm.sigs.x-k8s.io"
PREFLIGHTS = f"/apis/{GROUP}/v1beta2/preflightvalidationsocp"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
LABEL = "admitted-by"
WAYS = ["none", "floor", "peer", "ours", "both"]
# How long an API server may take to hear of a changed configuration, in seconds.
HEARD = 30
MUTATING, VALIDATING = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
KERNEL = "5.14.0-570.{}.1.el9_6.x86_64"
# Rounds that are not counted: connections are made in them.
WARM_UP = 20


class ApiServer:
    """One connection, kept open, as clients of Go keep theirs."""

    def __init__(self, kubeconfig):
        config = json.load(open(kubeconfig))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        address = urllib.parse.urlsplit(cluster["server"])
        self.connection = http.client.HTTPSConnection(address.hostname, address.port, context=context)

    def request(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        self.connection.request(method, path, text, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        return response.status, response.read()

    def ask(self, method, path, body=None):
        status, answer = self.request(method, path, body)
        if status >= 400:
            sys.exit(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def creates(self, one):
        """Whether a preflight is made; if not, since a webhook could not be called."""
        status, answer = self.request("POST", PREFLIGHTS, one)
        if status not in (201, 500):
            sys.exit(f"a sound preflight was refused: {status} {answer[:300]!r}")
        return status == 201

    def configure(self, one):
        self.ask("POST", f"{CONFIGURATIONS}/{one['kind'].lower()}s", one)


def configuration(kind, way, port, path, bundle):
    name = f"{'default' if kind.startswith('Mutating') else 'validate'}-{way}"
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": ["v1beta2"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["preflightvalidationsocp"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"measured-{way}"},
        "webhooks": [
            {
                "name": f"{name}.preflightvalidationsocp.{GROUP}",
                "clientConfig": {"url": f"https://localhost:{port}/{path}/preflightvalidationocp", "caBundle": bundle},
                "rules": [rule],
                "objectSelector": {"matchLabels": {LABEL: way}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def preflight(way, name, kernel):
    return {
        "apiVersion": f"{GROUP}/v1beta2",
        "kind": "PreflightValidationOCP",
        "metadata": {"name": name, "labels": {LABEL: way}},
        "spec": {"kernelVersion": kernel, "pushBuiltImage": False},
    }


def wait_until_heard(api, bundle):
    """An API server hears of configurations in their order, so it has heard of all once the last one of each kind, of a webhook
    that nobody serves, fails what it is asked for."""
    end = time.monotonic() + HEARD
    for kind in (MUTATING, VALIDATING):
        way = f"nobody-{kind.lower()}"
        api.configure(configuration(kind, way, 1, "nobody", bundle))
        while api.creates(preflight(way, way, KERNEL.format(0))):
            api.ask("DELETE", f"{PREFLIGHTS}/{way}")
            if time.monotonic() > end:
                sys.exit(f"the API server did not hear of a {kind} within {HEARD} s")
            time.sleep(0.1)


def rounds(api, count):
    """How long each way takes in each round, in milliseconds."""
    shuffled = random.Random(7)
    for number in range(WARM_UP + count):
        taken = {}
        for way in shuffled.sample(WAYS, len(WAYS)):
            one = preflight(way, f"{way}-{number}", KERNEL.format(number))
            began = time.perf_counter()
            if not api.creates(one):
                sys.exit(f"the webhook could not be called by way of {way}")
            taken[way] = (time.perf_counter() - began) * 1000
            api.ask("DELETE", f"{PREFLIGHTS}/{one['metadata']['name']}")
        if number >= WARM_UP:
            yield taken


def main():
    kubeconfig, count, *ports = sys.argv[1:]
    ports = dict(port.split("=") for port in ports)
    api = ApiServer(kubeconfig)
    secret = api.ask("GET", "/api/v1/namespaces/kmm-preflight/secrets/kmm-preflight-webhook")
    bundle = secret["data"]["ca.crt"]
    for one in [
        *(configuration(VALIDATING, way, port, "validate", bundle) for way, port in ports.items()),
        configuration(MUTATING, "both", ports["ours"], "mutate", bundle),
        configuration(VALIDATING, "both", ports["ours"], "validate", bundle),
    ]:
        api.configure(one)
    wait_until_heard(api, bundle)
    taken = list(rounds(api, int(count)))
    of = {way: [round[way] for round in taken] for way in WAYS}
    added = {way: statistics.median(round[way] - round["none"] for round in taken) for way in WAYS}
    print(f"{'admission by':14}{'p50 ms':>8}{'p90 ms':>8}{'adds ms':>9}{'of peer':>9}")
    for way, times in of.items():
        tenth = statistics.quantiles(times, n=10)[-1]
        share = f"{added[way] / added['peer']:9.2f}" if way != "none" else ""
        print(f"{way:14}{statistics.median(times):8.2f}{tenth:8.2f}{added[way]:9.2f}{share}")


main()
