//! `#[outputs]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Fields, ItemStruct, Result};

use crate::signature::port_words;

pub(crate) fn expand(mut item: ItemStruct) -> Result<TokenStream> {
    let ident = item.ident.clone();
    let Fields::Named(fields) = &mut item.fields else {
        return Err(Error::new_spanned(&item, "outputs are a struct with named fields"));
    };
    let (mut ports, mut puts) = (Vec::new(), Vec::new());
    for field in &mut fields.named {
        let words = port_words(&field.attrs)?;
        field.attrs.retain(|attribute| !attribute.path().is_ident("port"));
        let Some(name) = &field.ident else { continue };
        let (text, ty) = (name.to_string(), &field.ty);
        ports.push(quote!(<#ty as ::mobula_guest::export::Output>::port(#text) #words));
        puts.push(quote!(::mobula_guest::export::Output::put(self.#name, #text, &mut fields)?;));
    }
    Ok(quote! {
        #[derive(Debug)]
        #item

        impl ::mobula_guest::export::Outputs for #ident {
            fn ports() -> Vec<::mobula_guest::export::Port> {
                vec![#(#ports),*]
            }

            fn fields(self) -> ::mobula_guest::Result<::mobula_guest::export::Fields> {
                let mut fields = Vec::new();
                #(#puts)*
                Ok(fields)
            }
        }
    })
}
