//! The plugin world as Rust sees it, made from the WIT files of the guest SDK.

wasmtime::component::bindgen!({
    path: "../../../guest-sdk/wit",
    world: "plugin",
    imports: { default: trappable },
    with: {
        "mobula:plugin/tensors.tensor": mobula_contract::Tensor,
        "mobula:plugin/tensors.builder": crate::tensors::Builder,
    },
});
