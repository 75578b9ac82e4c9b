//! `#[task]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{ItemFn, Result};

use crate::signature::{Export, doc};

pub(crate) fn expand(mut item: ItemFn) -> Result<TokenStream> {
    let export = Export::read(&mut item.sig)?;
    let ident = &item.sig.ident;
    let hidden = format_ident!("__mobula_task_{ident}");
    let name = ident.to_string();
    let describe = export.describe(&name, &doc(&item.attrs));
    let takes = &export.takes;
    let names = (0..takes.len()).map(|i| format_ident!("input{i}")).collect::<Vec<_>>();
    Ok(quote! {
        #item

        #[doc(hidden)]
        pub(crate) fn #hidden() -> ::mobula_guest::export::TaskDef {
            ::mobula_guest::export::TaskDef {
                name: #name,
                describe: || #describe,
                run: |mut call| {
                    #(let #names = #takes;)*
                    call.finish()?;
                    ::mobula_guest::export::Outputs::fields(#ident(#(#names),*)?)
                },
            }
        }
    })
}
