//! The Modules that are decided on, in whichever way.

use kmm_preflight::api::Module;

/// A Module with a mapping for kernels of RHEL 8 and another for those of RHEL 9.
pub(crate) fn module(number: usize) -> Module {
    let module = serde_json::json!({
        "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
        "kind": "Module",
        "metadata": {"name": format!("module-{number}"), "namespace": "drivers"},
        "spec": {"selector": {}, "moduleLoader": {"container": {
            "modprobe": {"moduleName": "driver"},
            "kernelMappings": [
                {"regexp": "^4\\.18\\..*$", "containerImage": "r.example.com/driver:old"},
                {"regexp": "^5\\.14\\..*$", "containerImage": "r.example.com/driver-${MOD_NAME}:${KERNEL_FULL_VERSION}"},
            ],
        }}},
    });
    serde_json::from_value(module).expect("a Module")
}
