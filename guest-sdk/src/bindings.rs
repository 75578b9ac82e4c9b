//! The plugin world as Rust sees it, made from the WIT file.

wit_bindgen::generate!({
    path: "wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "mobula_guest::bindings",
});
