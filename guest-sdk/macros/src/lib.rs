//! The attributes of `mobula-guest`: they turn ordinary functions and types into exports of a plugin, with
//! a manifest written from their names, types and doc comments. Use them through that crate.

mod actor;
mod args;
mod outputs;
mod plugin;
mod signature;
mod task;

use proc_macro::TokenStream;
use quote::quote;

/// A stateless export: a function of inputs and, if it has any, `args`, that returns `Result<Outputs>`.
#[proc_macro_attribute]
pub fn task(_attr: TokenStream, item: TokenStream) -> TokenStream {
    expand(syn::parse(item).and_then(task::expand))
}

/// A stateful export: the `impl` block of a type that `#[state]` stands on. `new` makes it; every other
/// method with `&mut self` or `&self` can be called. `#[actor(version = 2)]` numbers the state's format.
#[proc_macro_attribute]
pub fn actor(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand(syn::parse(attr).and_then(|attr| actor::expand(&attr, syn::parse(item)?)))
}

/// What a task or method returns: a struct whose fields become those of an object.
#[proc_macro_attribute]
pub fn outputs(_attr: TokenStream, item: TokenStream) -> TokenStream {
    expand(syn::parse(item).and_then(outputs::expand))
}

/// Arguments: a struct that is read from JSON, and whose schema stands in the manifest. Unknown fields
/// are refused. `#[arg(default = 5, min = 1, max = 100)]` on a field makes it optional and bounds it,
/// `#[arg(one_of = ["mean", "median"])]` lists what a text may be; serde's and schemars' own attributes
/// work as well.
#[proc_macro_attribute]
pub fn args(_attr: TokenStream, item: TokenStream) -> TokenStream {
    expand(syn::parse(item).and_then(args::expand))
}

/// The state of an actor: a struct that can be written and read back.
#[proc_macro_attribute]
pub fn state(_attr: TokenStream, item: TokenStream) -> TokenStream {
    let item: proc_macro2::TokenStream = item.into();
    quote! {
        #[derive(Debug, ::mobula_guest::serde::Serialize, ::mobula_guest::serde::Deserialize)]
        #[serde(crate = "::mobula_guest::serde")]
        #item
    }
    .into()
}

/// Makes the crate a plugin: `plugin! { tasks: [subset], actors: [RunningStats], mounts: ["data"] }`, each
/// part where there is one.
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    expand(syn::parse(input).map(|parts| plugin::expand(&parts)))
}

fn expand(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|e| e.to_compile_error()).into()
}
