//! The Modules that are asked about, and what has to be said of each. Everything that goes wrong goes wrong for the first kernel.

use serde_json::{Value, json};

/// The Module whose build fails, and tells for whom it was.
pub(crate) const NAMED: &str = "named";
/// The Module whose registry asks for a password, and is asked by the operator alone: a node would ask it over TLS.
const CLOSED: &str = "closed";
/// The namespace of all of them.
pub(crate) const NAMESPACE: &str = "drivers";

/// A Module, and the words that its answer has to have.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The row of `tests/compat/upstream_cases.yaml` that it is about, where it is about one.
    pub(crate) row: &'static str,
    pub(crate) verdict: &'static str,
    pub(crate) words: &'static [&'static str],
    pub(crate) module: Value,
}

/// Where things are, as the Modules name them.
pub(crate) struct Places {
    /// The node's registry.
    pub(crate) registry: String,
    /// A registry that takes no push.
    pub(crate) read_only: String,
    /// A registry that asks for a password, which no Module has.
    pub(crate) closed: String,
    /// A registry that only the node's container runtime reaches.
    pub(crate) mirrored: String,
    /// The kernel of these Modules.
    pub(crate) kernel: String,
}

impl Places {
    /// Everything that is asked of the kernel.
    pub(crate) fn cases(&self) -> Vec<Case> {
        [self.made(), self.seen(), self.not_built(), self.not_signed()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// What is signed, kept or replaced.
    fn made(&self) -> Vec<Case> {
        let good = self.image("storage/fastblk:2.4");
        vec![
            Case {
                name: "signed-only",
                row: "",
                verdict: "Success",
                words: &[],
                module: self.module(
                    &self.image("drivers/signed-only:1"),
                    Parts::default().signed(self.signing("signing")),
                ),
            },
            Case {
                name: "standing",
                row: "",
                verdict: "Success",
                words: &["verified image exists"],
                module: self.module(&good, Parts::default().built("failing")),
            },
            Case {
                name: "replaced",
                row: "",
                verdict: "Success",
                words: &[],
                module: self.module(
                    &self.image("drivers/replaced:1"),
                    Parts::default().signed(self.signing("signing")),
                ),
            },
            Case {
                name: "expired",
                row: "",
                verdict: "Success",
                words: &["verified image exists"],
                module: self.module(
                    &self.image("drivers/expired:1"),
                    Parts::default().signed(self.signing("expired")),
                ),
            },
            Case {
                name: CLOSED,
                row: "D11",
                verdict: "Success",
                words: &["not pushed: would be"],
                module: self.module(
                    &format!("{}/drivers/closed:1", self.closed),
                    Parts::default().signed(self.signing("signing")),
                ),
            },
        ]
    }

    /// What only a node can see.
    fn seen(&self) -> Vec<Case> {
        let there = format!("{}/storage/fastblk:2.4", self.mirrored);
        let absent = format!("{}/storage/absent:1", self.mirrored);
        vec![
            Case {
                name: "mirrored",
                row: "",
                verdict: "Success",
                words: &[],
                module: self.module(&there, Parts::default()),
            },
            Case {
                name: "mirrored-absent",
                row: "D01",
                verdict: "Failure",
                words: &["absent"],
                module: self.module(&absent, Parts::default()),
            },
        ]
    }

    fn not_built(&self) -> Vec<Case> {
        let case = |name, row, config_map, words| Case {
            name,
            row,
            verdict: "Failure",
            words,
            module: self.module(
                &self.image(&format!("drivers/{name}:1")),
                Parts::default().built(config_map),
            ),
        };
        vec![
            case("no-config-map", "D20", "absent", &["ConfigMap", "absent"]),
            case("no-dockerfile", "D20", "keyless", &["keyless", "dockerfile"]),
            case("unparsable", "", "unparsable", &["build failed", "RUNN"]),
            case(
                "failing",
                "",
                "failing",
                &["build failed", "step 3/3", "the compiler says no"],
            ),
            case(
                NAMED,
                "D07",
                "named",
                &["build failed", "built for named in drivers, first"],
            ),
            case("no-shell", "D03", "no-shell", &["built in Job", "sh"]),
        ]
    }

    fn not_signed(&self) -> Vec<Case> {
        let case = |name, row, image: &str, sign, words| Case {
            name,
            row,
            verdict: "Failure",
            words,
            module: self.module(image, Parts::default().signed(sign)),
        };
        let image = |name| self.image(&format!("drivers/{name}:1"));
        let denied = format!("{}/drivers/denied:1", self.read_only);
        let other = || self.signing_with("signing-key", "other-cert");
        vec![
            case(
                "no-key",
                "D20",
                &image("no-key"),
                self.signing("absent"),
                &["Secret", "absent-key"],
            ),
            case("other-cert", "D02", &image("other-cert"), other(), &["certificate"]),
            Case {
                name: "built-other-cert",
                row: "D04",
                verdict: "Failure",
                words: &["sign failed", "certificate"],
                module: self.module(
                    &image("built-other-cert"),
                    Parts::default().built("whole").signed(other()),
                ),
            },
            case(
                "locked-key",
                "D02",
                &image("locked-key"),
                self.signing_with("locked-key", "signing-cert"),
                &["encrypted"],
            ),
            case(
                "no-file",
                "",
                &image("no-file"),
                with_files(self.signing("signing"), "/opt/lib/modules/*/absent.ko"),
                &["filesToSign"],
            ),
            case(
                "no-folder",
                "",
                &image("no-folder"),
                from_image(self.signing("signing"), &self.image("network/legacynic:1.9")),
                &["legacynic"],
            ),
            case("denied", "", &denied, self.signing("signing"), &["push"]),
        ]
    }

    /// The Module whose Dockerfile tells for whom it builds, with another build argument.
    pub(crate) fn named_with(&self, word: &str) -> Value {
        let mut built = Parts::default().built("named");
        if let Some(build) = &mut built.build {
            build["buildArgs"] = json!([{ "name": "WORD", "value": word }]);
        }
        object(NAMED, &self.module(&self.image("drivers/named:1"), built))
    }

    fn image(&self, path: &str) -> String {
        format!("{}/{path}", self.registry)
    }

    /// `sign`, of the driver that is there unsigned, by a pair of Secrets of this name.
    fn signing(&self, pair: &str) -> Value {
        self.signing_with(&format!("{pair}-key"), &format!("{pair}-cert"))
    }

    fn signing_with(&self, key: &str, cert: &str) -> Value {
        let insecure = json!({ "insecure": true });
        json!({
            "unsignedImage": self.image("storage/fastblk:2.4"), "unsignedImageRegistryTLS": insecure,
            "keySecret": { "name": key }, "certSecret": { "name": cert },
            "filesToSign": [format!("/opt/lib/modules/{}/fastblk.ko", self.kernel)],
        })
    }

    /// The spec of a Module for this kernel alone.
    fn module(&self, image: &str, parts: Parts) -> Value {
        let mut mapping =
            json!({ "literal": self.kernel, "containerImage": image, "registryTLS": { "insecure": true } });
        for (part, value) in [("build", parts.build), ("sign", parts.sign)] {
            if let Some(value) = value {
                mapping[part] = value;
            }
        }
        let container = json!({ "modprobe": { "moduleName": "fastblk" }, "kernelMappings": [mapping] });
        json!({ "moduleLoader": { "container": container }, "selector": { "kubernetes.io/os": "linux" } })
    }
}

/// What a mapping has beside an image.
#[derive(Default)]
struct Parts {
    build: Option<Value>,
    sign: Option<Value>,
}

impl Parts {
    fn built(mut self, config_map: &str) -> Self {
        let insecure = json!({ "insecure": true });
        self.build = Some(json!({ "dockerfileConfigMap": { "name": config_map }, "baseImageRegistryTLS": insecure }));
        self
    }

    fn signed(mut self, sign: Value) -> Self {
        self.sign = Some(sign);
        self
    }
}

fn with_files(mut sign: Value, files: &str) -> Value {
    sign["filesToSign"] = json!([files]);
    sign
}

fn from_image(mut sign: Value, unsigned: &str) -> Value {
    sign["unsignedImage"] = json!(unsigned);
    sign
}

/// All of them, for kubectl.
pub(crate) fn list(cases: &[Case]) -> Value {
    let items: Vec<_> = cases.iter().map(|case| object(case.name, &case.module)).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn object(name: &str, spec: &Value) -> Value {
    let mut metadata = json!({ "name": name, "namespace": NAMESPACE });
    if name == CLOSED {
        metadata["annotations"] = json!({ "preflight.kmm.sigs.x-k8s.io/image-check": "registry" });
    }
    json!({ "apiVersion": "kmm.sigs.x-k8s.io/v1beta1", "kind": "Module", "metadata": metadata, "spec": spec })
}

/// The Dockerfiles; `driver` is an image with a module that would load.
pub(crate) fn dockerfiles(base: &str, driver: &str) -> Value {
    let config_map = |name: &str, key: &str, text: String| {
        let metadata = json!({ "name": name, "namespace": NAMESPACE });
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { key: text } })
    };
    let failing = format!("FROM {base}\nRUN echo compiling\nRUN echo the compiler says no >&2; exit 2\n");
    let named = "ARG MOD_NAME\nARG MOD_NAMESPACE\nARG WORD=first\n\
                 RUN echo built for $MOD_NAME in $MOD_NAMESPACE, $WORD >&2; exit 2\n";
    let no_shell = format!("FROM {driver} AS whole\nFROM scratch\nCOPY --from=whole /opt /opt\n");
    let items = [
        config_map("keyless", "Dockerfile", failing.clone()),
        config_map("unparsable", "dockerfile", format!("FROM {base}\nRUNN make\n")),
        config_map("failing", "dockerfile", failing),
        config_map("named", "dockerfile", format!("FROM {base}\n{named}")),
        config_map("whole", "dockerfile", format!("FROM {driver}\nLABEL built=yes\n")),
        config_map("no-shell", "dockerfile", no_shell),
    ];
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}
