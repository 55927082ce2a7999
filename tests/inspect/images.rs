//! Images of every form give the same facts.

use kmm_preflight::kmod::staged::{Program, Tool};
use kmm_preflight::kmod::toolkit::ToolkitEvidence;

use crate::support::fake_image::{INDEX, descriptor, index_of, write_layout};
use crate::*;

#[tokio::test]
async fn an_image_is_read_whatever_compresses_its_layers() {
    let registry = FakeRegistry::start();
    let forms = [
        ("plain", LAYER_PLAIN, own("m").plain()),
        ("gzip", LAYER_GZIP, own("m").gzip()),
        ("zstd", LAYER_ZSTD, own("m").zstd()),
        ("another than the media type tells", LAYER_GZIP, own("m").zstd()),
    ];
    for (at, (case, media_type, bytes)) in forms.into_iter().enumerate() {
        let image = FakeImage::new().layer(LAYER_GZIP, base()).layer(media_type, bytes);
        let name = format!("acme/kmod:{at}");
        let digest = registry.push(&name, &image);
        let seen = fresh_inspector().image(&request(&registry, &name)).await.unwrap();
        assert_eq!(copied(&seen), ["extra/m.ko", "modules.dep.bin"], "{case}");
        assert_eq!(seen.digest.to_string(), digest, "{case}");
        assert_eq!(seen.digest, seen.platform_digest, "{case}");
    }
}

#[tokio::test]
async fn the_tools_of_lower_layers_are_seen() {
    let registry = FakeRegistry::start();
    registry.push("acme/kmod:1", &image("m"));
    let seen = fresh_inspector()
        .image(&request(&registry, "acme/kmod:1"))
        .await
        .unwrap();
    let staged = seen.stage(&StageRequest {
        dir_name: "/opt".to_owned(),
        kernel_folder: "6.6".to_owned(),
        firmware_path: Some("/firmware".to_owned()),
    });
    assert_eq!(
        [staged.sh, staged.cp, staged.mkdir],
        [Tool::Present(Program::Script); 3]
    );
    assert_eq!(staged.firmware, Some(false));
    let other_kernels = vec![KERNEL.to_owned()];
    assert_eq!(staged.folder, StagedFolder::Missing { other_kernels });
}

#[tokio::test]
async fn the_platform_of_the_node_is_read_from_nested_indexes() {
    let registry = FakeRegistry::start();
    let (amd, arm) = (image("amd"), image("arm").architecture("arm64"));
    let inner = index_of(&[amd.index_entry(), arm.index_entry()]);
    let mut entry = descriptor(INDEX, &inner);
    registry.push("acme/kmod:amd", &amd);
    registry.push("acme/kmod:arm", &arm);
    registry.put_manifest("acme/kmod:inner", INDEX, inner);
    entry["platform"] = serde_json::Value::Null;
    let digest = registry.put_manifest("acme/kmod:1", INDEX, index_of(&[entry]));
    let inspector = fresh_inspector();
    for (architecture, image, expected) in [
        (Architecture::X86_64, &amd, "extra/amd.ko"),
        (Architecture::Aarch64, &arm, "extra/arm.ko"),
    ] {
        let request = ImageRequest {
            architecture: Some(architecture),
            ..request(&registry, "acme/kmod:1")
        };
        let seen = inspector.image(&request).await.unwrap();
        assert_eq!(copied(&seen)[0], expected);
        assert_eq!(seen.digest.to_string(), digest);
        assert_eq!(seen.platform_digest.to_string(), image.digest());
    }
}

#[tokio::test]
async fn a_layout_is_read_without_any_registry() {
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), &[("quay.io/acme/kmod:1", &image("m"))]);
    let sources = Sources::new(vec![Layout::open(folder.path()).unwrap()], Settings::default()).unwrap();
    let inspector = Inspector::new(sources, Cache::in_memory(), Limits::default());
    let request = ImageRequest {
        reference: Reference::parse("quay.io/acme/kmod:1").unwrap(),
        access: Access::anonymous(),
        architecture: None,
    };
    assert_eq!(
        copied(&inspector.image(&request).await.unwrap()),
        ["extra/m.ko", "modules.dep.bin"]
    );
}

#[tokio::test]
async fn a_toolkit_is_asked_about_its_kernel() {
    let registry = FakeRegistry::start();
    let symvers = b"0x12345678\tkmalloc\tvmlinux\tEXPORT_SYMBOL\t\n";
    let headers = FakeLayer::new().file(&format!("usr/src/kernels/{KERNEL}/Module.symvers"), symvers);
    registry.push("acme/dtk:1", &FakeImage::new().layer(LAYER_GZIP, headers.gzip()));
    let inspector = fresh_inspector();
    let request = request(&registry, "acme/dtk:1");
    match inspector.toolkit(&request, KERNEL).await.unwrap() {
        ToolkitEvidence::Found(toolkit) => {
            assert_eq!(toolkit.image, request.reference.to_string());
            assert!(toolkit.symvers.as_ref().unwrap().symbol("kmalloc").is_some());
        }
        other => panic!("{other:?}"),
    }
    match inspector.toolkit(&request, "6.6").await.unwrap() {
        ToolkitEvidence::OtherKernel { kernels, .. } => assert_eq!(kernels, [KERNEL]),
        other => panic!("{other:?}"),
    }
}
