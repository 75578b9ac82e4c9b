//! Reads the signature of an exported function: inputs, arguments, outputs, words.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, GenericArgument, Lit, LitStr, Meta, Pat, PathArguments,
    Result, ReturnType, Signature, Type,
};

/// What an export's description and call are made from.
pub(crate) struct Export {
    /// Descriptions of the inputs.
    pub(crate) ports: Vec<TokenStream>,
    /// `Some(schema)` of the arguments, or `None`.
    pub(crate) schema: TokenStream,
    /// Takes each parameter out of `call`, in the order of the signature.
    pub(crate) takes: Vec<TokenStream>,
    /// The `T` of `Result<T>`.
    pub(crate) output: Type,
}

impl Export {
    /// Reads a signature, and takes the attributes off its parameters, where Rust allows none.
    pub(crate) fn read(signature: &mut Signature) -> Result<Self> {
        let output = output(&signature.output, signature.ident.span())?;
        let mut export =
            Self { ports: Vec::new(), schema: quote!(None), takes: Vec::new(), output };
        for input in &mut signature.inputs {
            let FnArg::Typed(input) = input else { continue };
            let Pat::Ident(name) = &*input.pat else {
                return Err(Error::new(input.pat.span(), "name this input"));
            };
            let (name, ty) = (name.ident.to_string(), &input.ty);
            if name == "args" {
                export.schema = quote!(Some(::mobula_guest::export::schema::<#ty>()));
                export.takes.push(quote!(call.args::<#ty>()?));
                continue;
            }
            let attributes = std::mem::take(&mut input.attrs);
            let words = port_words(&attributes)?;
            export.ports.push(quote! {
                <#ty as ::mobula_guest::export::Input>::port(#name) #words
            });
            let (dtype, shape) = port_limits(&attributes);
            export.takes.push(if dtype.is_some() || shape.is_some() {
                let (dtype, shape) = (option(dtype), option(shape));
                quote!(call.shaped::<#ty>(#name, #dtype, #shape)?)
            } else {
                quote!(call.input::<#ty>(#name)?)
            });
        }
        Ok(export)
    }

    /// The description as a `TaskDoc`.
    pub(crate) fn describe(&self, name: &str, doc: &str) -> TokenStream {
        let Self { ports, schema, output, .. } = self;
        quote! {
            ::mobula_guest::export::TaskDoc {
                name: #name,
                doc: #doc,
                args: #schema,
                inputs: vec![#(#ports),*],
                outputs: <#output as ::mobula_guest::export::Outputs>::ports(),
            }
        }
    }
}

fn output(output: &ReturnType, span: proc_macro2::Span) -> Result<Type> {
    let wrong = || Error::new(span, "an export returns `Result<T>`, T with `#[outputs]`");
    let ReturnType::Type(_, ty) = output else { return Err(wrong()) };
    let Type::Path(path) = &**ty else { return Err(wrong()) };
    let last = path.path.segments.last().filter(|last| last.ident == "Result").ok_or_else(wrong)?;
    let PathArguments::AngleBracketed(generics) = &last.arguments else { return Err(wrong()) };
    match generics.args.first() {
        Some(GenericArgument::Type(ty)) => Ok(ty.clone()),
        _ => Err(wrong()),
    }
}

/// `.doc("…").dtype("…").shape("…")`, as far as the attributes say.
pub(crate) fn port_words(attributes: &[Attribute]) -> Result<TokenStream> {
    let mut words = TokenStream::new();
    let text = doc(attributes);
    if !text.is_empty() {
        words.extend(quote!(.doc(#text)));
    }
    for attribute in attributes {
        if attribute.path().is_ident("doc") {
            continue;
        }
        if !attribute.path().is_ident("port") {
            return Err(Error::new(
                attribute.span(),
                "write #[port(dtype = \"u8\", shape = \"…\")]",
            ));
        }
        attribute.parse_nested_meta(|meta| {
            let value: LitStr = meta.value()?.parse()?;
            if meta.path.is_ident("dtype") {
                words.extend(quote!(.dtype(#value)));
            } else if meta.path.is_ident("shape") {
                words.extend(quote!(.shape(#value)));
            } else {
                return Err(meta.error("a port has dtype and shape"));
            }
            Ok(())
        })?;
    }
    Ok(words)
}

fn option(text: Option<LitStr>) -> TokenStream {
    text.map_or_else(|| quote!(None), |text| quote!(Some(#text)))
}

/// What `#[port]` says of elements and axes; what is wrong with it, [`port_words`] tells.
fn port_limits(attributes: &[Attribute]) -> (Option<LitStr>, Option<LitStr>) {
    let (mut dtype, mut shape) = (None, None);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("port")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let value = Some(meta.value()?.parse::<LitStr>()?);
            if meta.path.is_ident("dtype") {
                dtype = value;
            } else {
                shape = value;
            }
            Ok(())
        });
    }
    (dtype, shape)
}

/// The doc comment, its lines joined.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines = lines.filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
