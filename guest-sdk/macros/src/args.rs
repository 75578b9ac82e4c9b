//! `#[args]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{Expr, Field, Ident, Item, Lit, LitStr, Result, Token, Type, bracketed};

/// What `#[arg(…)]` says of a field.
#[derive(Default)]
struct Words {
    default: Option<Expr>,
    min: Option<Expr>,
    max: Option<Expr>,
    one_of: Vec<LitStr>,
}

pub(crate) fn expand(mut item: Item) -> Result<TokenStream> {
    let mut functions = Vec::new();
    if let Item::Struct(item) = &mut item {
        let owner = item.ident.clone();
        for field in &mut item.fields {
            functions.extend(change(field, &owner)?);
        }
    }
    Ok(quote! {
        #[derive(Debug, ::mobula_guest::serde::Deserialize, ::mobula_guest::schemars::JsonSchema)]
        #[serde(crate = "::mobula_guest::serde", deny_unknown_fields)]
        #[schemars(crate = "::mobula_guest::schemars")]
        #item

        #(#functions)*
    })
}

/// Turns `#[arg]` into attributes of serde and schemars, and gives the functions that they name.
fn change(field: &mut Field, owner: &Ident) -> Result<Vec<TokenStream>> {
    let Some(name) = field.ident.clone() else { return Ok(Vec::new()) };
    let words = words(field)?;
    let Some(words) = words else { return Ok(Vec::new()) };
    let ty = &field.ty;
    let optional = matches!(ty, Type::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident == "Option"));
    let mut functions = Vec::new();
    if let Some(default) = &words.default {
        let function = format_ident!("__{owner}_{name}_default");
        let path = function.to_string();
        let value = match default {
            Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)) => quote!(#default.into()),
            _ => quote!(#default),
        };
        let value = if optional { quote!(Some(#value)) } else { value };
        field.attrs.push(syn::parse_quote!(#[serde(default = #path)]));
        functions.push(quote! {
            #[doc(hidden)]
            #[expect(non_snake_case, reason = "written by a macro")]
            fn #function() -> #ty { #value }
        });
    } else if optional {
        field.attrs.push(syn::parse_quote!(#[serde(default)]));
    }
    let (mut checks, mut range) = (Vec::new(), Vec::new());
    if let Some(min) = &words.min {
        range.push(quote!(min = #min));
        checks.push(quote!(if *value < #min { wrong(format!("{value} is below {}", #min))?; }));
    }
    if let Some(max) = &words.max {
        range.push(quote!(max = #max));
        checks.push(quote!(if *value > #max { wrong(format!("{value} is above {}", #max))?; }));
    }
    if !range.is_empty() {
        field.attrs.push(syn::parse_quote!(#[schemars(range(#(#range),*))]));
    }
    if !words.one_of.is_empty() {
        let texts = &words.one_of;
        let list = texts.iter().map(LitStr::value).collect::<Vec<_>>().join(", ");
        field.attrs.push(syn::parse_quote!(#[schemars(extend("enum" = [#(#texts),*]))]));
        checks.push(quote! {
            if ![#(#texts),*].contains(&value.as_str()) {
                wrong(format!("`{value}` is none of {}", #list))?;
            }
        });
    }
    if !checks.is_empty() {
        let function = format_ident!("__{owner}_{name}_checked");
        let path = function.to_string();
        field.attrs.push(syn::parse_quote!(#[serde(deserialize_with = #path)]));
        let checks = match optional {
            true => quote!(if let Some(value) = &all { #(#checks)* }),
            false => quote!({ let value = &all; #(#checks)* }),
        };
        functions.push(quote! {
            #[doc(hidden)]
            #[expect(non_snake_case, reason = "written by a macro")]
            fn #function<'de, D: ::mobula_guest::serde::Deserializer<'de>>(
                reader: D,
            ) -> ::core::result::Result<#ty, D::Error> {
                let all = <#ty as ::mobula_guest::serde::Deserialize>::deserialize(reader)?;
                let wrong = |text: String| -> ::core::result::Result<(), D::Error> {
                    Err(::mobula_guest::serde::de::Error::custom(text))
                };
                #checks
                Ok(all)
            }
        });
    }
    Ok(functions)
}

/// Reads and takes off `#[arg]`.
fn words(field: &mut Field) -> Result<Option<Words>> {
    let (ours, others) =
        field.attrs.drain(..).partition::<Vec<_>, _>(|attribute| attribute.path().is_ident("arg"));
    field.attrs = others;
    let mut found = None;
    for attribute in ours {
        let words = found.get_or_insert_with(Words::default);
        attribute.parse_nested_meta(|meta| {
            let value = meta.value()?;
            if meta.path.is_ident("default") {
                words.default = Some(value.parse()?);
            } else if meta.path.is_ident("min") {
                words.min = Some(value.parse()?);
            } else if meta.path.is_ident("max") {
                words.max = Some(value.parse()?);
            } else if meta.path.is_ident("one_of") {
                let list;
                bracketed!(list in value);
                let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
                words.one_of = texts.into_iter().collect();
            } else {
                return Err(meta.error("an arg has default, min, max and one_of"));
            }
            Ok(())
        })?;
    }
    Ok(found)
}
