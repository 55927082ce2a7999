//! The administrator's driver toolkits: a ConfigMap whose key `toolkits.yaml` maps kernels to images. Pure.
//!
//! A ConfigMap's own keys cannot hold a kernel such as `6.6.0-28.0.0.34.oe2403.x86_64+debug`: `+` is no legal
//! character there. Hence one key, and a mapping under it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::image::Reference;

/// The key of the ConfigMap.
pub const TOOLKITS_KEY: &str = "toolkits.yaml";

/// The mapping that a ConfigMap holds, or what is wrong with it.
pub(super) fn toolkits(map: &ConfigMap) -> Result<BTreeMap<String, String>, String> {
    let text = (map.data.as_ref())
        .and_then(|data| data.get(TOOLKITS_KEY))
        .ok_or_else(|| format!("it has no key `{TOOLKITS_KEY}`"))?;
    let toolkits: Option<BTreeMap<String, String>> = serde_saphyr::from_str(text)
        .map_err(|why| format!("`{TOOLKITS_KEY}` is no mapping of kernels to images: {why}"))?;
    let toolkits = toolkits.unwrap_or_default();
    for (kernel, image) in &toolkits {
        Reference::parse(image).map_err(|why| format!("`{TOOLKITS_KEY}` names no image for kernel {kernel}: {why}"))?;
    }
    Ok(toolkits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
        toolkits(&ConfigMap {
            data: Some([(TOOLKITS_KEY.to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        })
    }

    #[test]
    fn yaml_and_json_map_kernels_to_images() {
        let expected: BTreeMap<_, _> = [
            ("5.14.0-427.el9.x86_64".to_owned(), "quay.io/dtk:9.4".to_owned()),
            ("6.6.0-28.x86_64+debug".to_owned(), "registry.local:5000/dtk".to_owned()),
        ]
        .into();
        let yaml = "5.14.0-427.el9.x86_64: quay.io/dtk:9.4\n6.6.0-28.x86_64+debug: registry.local:5000/dtk\n";
        assert_eq!(read(yaml).as_ref(), Ok(&expected));
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(read(&json).as_ref(), Ok(&expected));
        for empty in ["", "{}", "# none yet\n"] {
            assert_eq!(read(empty), Ok(BTreeMap::new()), "{empty:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("- a\n- b\n", "`toolkits.yaml` is no mapping of kernels to images"),
            ("a: [b]\n", "`toolkits.yaml` is no mapping of kernels to images"),
            ("a: b\na: c\n", "`toolkits.yaml` is no mapping of kernels to images"),
            (
                "5.14.0: 'no image'\n",
                "`toolkits.yaml` names no image for kernel 5.14.0",
            ),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.starts_with(why), "{text}: {said}");
        }
        assert_eq!(
            toolkits(&ConfigMap::default()),
            Err("it has no key `toolkits.yaml`".to_owned())
        );
    }
}
