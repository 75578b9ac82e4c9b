//! The host's side of the plugin world, generated from the WIT files; nothing here is written by
//! hand, and nothing else in the crate talks to the macro.

#![expect(missing_debug_implementations, reason = "generated from the WIT files")]
#![expect(unreachable_pub, reason = "generated from the WIT files")]

wasmtime::component::bindgen!({
    path: "../../../guest-sdk/wit",
    world: "mobula:plugin/plugin",
    imports: { default: trappable },
    trappable_error_type: { "mobula:plugin/types.error" => crate::tensors::HostError },
    with: {
        "mobula:plugin/tensors.tensor": crate::tensors::TensorHandle,
        "mobula:plugin/tensors.builder": crate::tensors::BuilderHandle,
    },
    require_store_data_send: true,
});
