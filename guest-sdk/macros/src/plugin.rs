//! `plugin!`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Path, Result, Token, bracketed};

/// The parts between the braces.
#[derive(Default)]
pub(crate) struct Parts {
    tasks: Vec<Path>,
    actors: Vec<Path>,
    mounts: Vec<LitStr>,
}

impl Parse for Parts {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut parts = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![:]>()?;
            let list;
            bracketed!(list in input);
            if key == "tasks" {
                parts.tasks = paths(&list)?;
            } else if key == "actors" {
                parts.actors = paths(&list)?;
            } else if key == "mounts" {
                let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
                parts.mounts = names.into_iter().collect();
            } else {
                return Err(Error::new(key.span(), "a plugin has tasks, actors and mounts"));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(parts)
    }
}

fn paths(list: ParseStream<'_>) -> Result<Vec<Path>> {
    Ok(Punctuated::<Path, Token![,]>::parse_terminated(list)?.into_iter().collect())
}

pub(crate) fn expand(parts: &Parts) -> TokenStream {
    let tasks = parts.tasks.iter().map(|path| {
        let mut path = path.clone();
        if let Some(last) = path.segments.last_mut() {
            last.ident = format_ident!("__mobula_task_{}", last.ident);
        }
        path
    });
    let (named, actors, mounts) = (&parts.tasks, &parts.actors, &parts.mounts);
    quote! {
        // A name that is not there is missed by its own name, with one that is like it.
        #(const _: fn() = || { let _ = &#named; };)*

        /// The plugin as the SDK exports it.
        #[derive(Debug)]
        pub struct ThisPlugin;

        impl ::mobula_guest::export::Plugin for ThisPlugin {
            fn definition() -> ::mobula_guest::export::Definition {
                ::mobula_guest::export::Definition {
                    name: env!("CARGO_PKG_NAME"),
                    version: env!("CARGO_PKG_VERSION"),
                    tasks: vec![#(#tasks()),*],
                    actors: vec![#(::mobula_guest::export::ActorDef::of::<#actors>()),*],
                    mounts: vec![#(#mounts),*],
                }
            }
        }

        #[cfg(target_family = "wasm")]
        ::mobula_guest::export_plugin!(ThisPlugin);
    }
}
