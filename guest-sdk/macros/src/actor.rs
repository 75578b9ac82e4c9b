//! `#[actor]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Error, ImplItem, ImplItemFn, ItemImpl, LitInt, Result, Type};

use crate::signature::{Export, doc};

/// What stands in the parentheses of the attribute.
pub(crate) struct ActorAttr {
    version: u32,
}

impl Parse for ActorAttr {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self { version: 1 });
        }
        let key: syn::Ident = input.parse()?;
        if key != "version" {
            return Err(Error::new(key.span(), "write #[actor(version = 2)]"));
        }
        input.parse::<syn::Token![=]>()?;
        Ok(Self { version: input.parse::<LitInt>()?.base10_parse()? })
    }
}

pub(crate) fn expand(attr: &ActorAttr, mut item: ItemImpl) -> Result<TokenStream> {
    let class = item.self_ty.clone();
    let Type::Path(path) = &*class else {
        return Err(Error::new_spanned(&class, "an actor is a struct"));
    };
    let name = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
    let words = doc(&item.attrs);
    let (mut create, mut arms, mut docs) = (None, Vec::new(), Vec::new());
    for part in &mut item.items {
        let ImplItem::Fn(function) = part else { continue };
        if function.sig.ident == "new" {
            create = Some(Export::read(&mut function.sig)?);
        } else if function.sig.receiver().is_some() {
            let export = Export::read(&mut function.sig)?;
            let method = function.sig.ident.to_string();
            docs.push(export.describe(&method, &doc(&function.attrs)));
            arms.push(arm(function, &export));
        }
    }
    let Some(create) = create else {
        return Err(Error::new_spanned(&class, "an actor has `fn new(…) -> Result<Self>`"));
    };
    let (ports, schema, takes) = (&create.ports, &create.schema, &create.takes);
    let names: Vec<_> = (0..takes.len()).map(|i| format_ident!("input{i}")).collect();
    let version = attr.version;
    Ok(quote! {
        #item

        impl ::mobula_guest::export::ActorClass for #class {
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;

            fn describe() -> ::mobula_guest::export::ActorDoc {
                ::mobula_guest::export::ActorDoc {
                    name: #name,
                    doc: #words,
                    args: #schema,
                    inputs: vec![#(#ports),*],
                    methods: vec![#(#docs),*],
                }
            }

            fn create(mut call: ::mobula_guest::export::Call) -> ::mobula_guest::Result<Self> {
                #(let #names = #takes;)*
                call.finish()?;
                Self::new(#(#names),*)
            }

            fn call(
                &mut self,
                method: &str,
                mut call: ::mobula_guest::export::Call,
            ) -> ::mobula_guest::Result<::mobula_guest::export::Fields> {
                match method {
                    #(#arms)*
                    _ => Err(::mobula_guest::export::no_method::<Self>(method)),
                }
            }
        }
    })
}

fn arm(function: &ImplItemFn, export: &Export) -> TokenStream {
    let (ident, takes) = (&function.sig.ident, &export.takes);
    let name = ident.to_string();
    let names: Vec<_> = (0..takes.len()).map(|i| format_ident!("input{i}")).collect();
    quote! {
        #name => {
            #(let #names = #takes;)*
            call.finish()?;
            ::mobula_guest::export::Outputs::fields(self.#ident(#(#names),*)?)
        }
    }
}
