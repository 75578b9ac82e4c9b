//! A TOML document as a tree that remembers where each value stands, with `--set` laid over it,
//! and a table reader that collects every problem instead of stopping at the first.

use std::ops::Range;

use serde_json::{Map, Number, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A problem of the file: where (byte offset; `None` for a value from `--set`) and what.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) offset: Option<usize>,
    pub(crate) message: String,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) offset: Option<usize>,
    pub(crate) tree: Tree,
}

#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Table(Vec<(String, Node)>),
    Array(Vec<Node>),
    Leaf(Json),
}

impl Node {
    /// The tree of a document.
    pub(crate) fn parse(text: &str) -> Result<Self, Found> {
        let document = DeTable::parse(text).map_err(|error| Found {
            offset: error.span().map(|span| span.start),
            message: error.message().replace('\n', ", "),
        })?;
        Ok(Self { offset: Some(0), tree: table(document.get_ref()) })
    }

    /// What a user typed after `=` in `--set`: a TOML value, or else a plain string.
    pub(crate) fn parse_override(text: &str) -> Self {
        let document = format!("v = {text}");
        let parsed = DeTable::parse(&document).ok().and_then(|document| {
            let (_, value) = document.get_ref().iter().next()?;
            Some(node(value).without_offsets())
        });
        parsed.unwrap_or_else(|| Self { offset: None, tree: Tree::Leaf(Json::from(text)) })
    }

    fn without_offsets(self) -> Self {
        let tree = match self.tree {
            Tree::Table(fields) => Tree::Table(
                fields.into_iter().map(|(key, node)| (key, node.without_offsets())).collect(),
            ),
            Tree::Array(nodes) => {
                Tree::Array(nodes.into_iter().map(Self::without_offsets).collect())
            }
            leaf @ Tree::Leaf(_) => leaf,
        };
        Self { offset: None, tree }
    }

    /// The field of a table.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.tree {
            Tree::Table(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, node)| node),
            Tree::Array(_) | Tree::Leaf(_) => None,
        }
    }

    /// Sets the value at a path; an array of tables is entered by the `name` of its elements, and
    /// tables that are not there are made. The error says which part of the path leads nowhere.
    pub(crate) fn set(&mut self, path: &[&str], value: Self) -> Result<(), String> {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        match &mut self.tree {
            Tree::Table(fields) => {
                let at = fields.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
                    let empty = Self { offset: None, tree: Tree::Table(Vec::new()) };
                    fields.push(((*key).to_owned(), empty));
                    fields.len() - 1
                });
                fields[at].1.set(rest, value)
            }
            Tree::Array(nodes) => {
                let named = |node: &&mut Self| {
                    matches!(node.get("name").map(|n| &n.tree),
                        Some(Tree::Leaf(Json::String(name))) if name == key)
                };
                match nodes.iter_mut().find(named) {
                    Some(node) => node.set(rest, value),
                    None => Err(format!("nothing here is named `{key}`")),
                }
            }
            Tree::Leaf(_) => Err(format!("`{key}` is asked of a value that has no fields")),
        }
    }

    /// The value without its places.
    pub(crate) fn to_json(&self) -> Json {
        match &self.tree {
            Tree::Table(fields) => {
                Json::Object(fields.iter().map(|(k, node)| (k.clone(), node.to_json())).collect())
            }
            Tree::Array(nodes) => Json::Array(nodes.iter().map(Self::to_json).collect()),
            Tree::Leaf(json) => json.clone(),
        }
    }

    /// How a message calls this kind of value.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Table(_) => "a table",
            Tree::Array(_) => "an array",
            Tree::Leaf(Json::String(_)) => "a string",
            Tree::Leaf(Json::Bool(_)) => "true or false",
            Tree::Leaf(_) => "a number",
        }
    }
}

fn table(fields: &DeTable<'_>) -> Tree {
    let mut out: Vec<(Range<usize>, String, Node)> = fields
        .iter()
        .map(|(key, value)| (key.span(), key.get_ref().to_string(), node(value)))
        .collect();
    out.sort_by_key(|(span, ..)| span.start);
    Tree::Table(out.into_iter().map(|(_, key, node)| (key, node)).collect())
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let tree = match value.get_ref() {
        DeValue::Table(fields) => table(fields),
        DeValue::Array(values) => Tree::Array(values.iter().map(node).collect()),
        DeValue::String(text) => Tree::Leaf(Json::from(text.as_ref())),
        DeValue::Boolean(bool) => Tree::Leaf(Json::from(*bool)),
        DeValue::Integer(int) => {
            let digits = int.as_str().replace('_', "");
            let parsed = i64::from_str_radix(&digits, int.radix()).map(Number::from).ok();
            let wide = || u64::from_str_radix(&digits, int.radix()).map(Number::from).ok();
            Tree::Leaf(parsed.or_else(wide).map_or(Json::Null, Json::Number))
        }
        DeValue::Float(float) => {
            let parsed = float.as_str().replace('_', "").parse().ok();
            Tree::Leaf(parsed.and_then(Number::from_f64).map_or(Json::Null, Json::Number))
        }
        DeValue::Datetime(time) => Tree::Leaf(Json::from(time.to_string())),
    };
    Node { offset: Some(value.span().start), tree }
}

/// Reads the fields of one table, notes what is wrong with them, and at the end what is unknown.
pub(crate) struct TableReader<'a> {
    place: String,
    node: &'a Node,
    known: Vec<&'static str>,
}

impl<'a> TableReader<'a> {
    /// `place` is how messages call the table, such as "stage `train`".
    pub(crate) fn new(place: String, node: &'a Node, problems: &mut Vec<Found>) -> Self {
        if !matches!(node.tree, Tree::Table(_)) {
            let message = format!("{place} must be a table, not {}", node.kind());
            problems.push(Found { offset: node.offset, message });
        }
        Self { place, node, known: Vec::new() }
    }

    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.node.get(key)
    }

    /// A field that `read` understands; a problem that names `wanted` when it does not.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        problems: &mut Vec<Found>,
        read: impl FnOnce(&Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key)?;
        let value = read(node);
        if value.is_none() {
            let message =
                format!("`{key}` of {} must be {wanted}, not {}", self.place, shown(node));
            problems.push(Found { offset: node.offset, message });
        }
        value
    }

    /// Notes every field that was not asked for, with the nearest one that was.
    pub(crate) fn finish(self, problems: &mut Vec<Found>) {
        let Tree::Table(fields) = &self.node.tree else { return };
        for (key, node) in fields.iter().filter(|(key, _)| !self.known.contains(&key.as_str())) {
            let hint = suggest(key, self.known.iter().copied());
            let message = format!("{} has no key `{key}`{hint}", self.place);
            problems.push(Found { offset: node.offset, message });
        }
    }
}

fn shown(node: &Node) -> String {
    match &node.tree {
        Tree::Leaf(json) => json.to_string(),
        Tree::Table(_) | Tree::Array(_) => node.kind().to_owned(),
    }
}

/// ": did you mean `x`?" when a name is near, else the names there are.
pub(crate) fn suggest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let near = names
        .iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), *name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => format!(": did you mean `{name}`?"),
        None if names.is_empty() => String::new(),
        None => format!(": there is {}", names.join(", ")),
    }
}

pub(crate) fn string(node: &Node) -> Option<String> {
    match &node.tree {
        Tree::Leaf(Json::String(text)) => Some(text.clone()),
        _ => None,
    }
}

pub(crate) fn natural(node: &Node) -> Option<u64> {
    match &node.tree {
        Tree::Leaf(json) => json.as_u64(),
        _ => None,
    }
}

pub(crate) fn positive_u32(node: &Node) -> Option<u32> {
    natural(node).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

pub(crate) fn positive_f64(node: &Node) -> Option<f64> {
    match &node.tree {
        Tree::Leaf(json) => json.as_f64().filter(|n| *n > 0.0),
        _ => None,
    }
}

pub(crate) fn object(node: &Node) -> Option<Map<String, Json>> {
    match node.to_json() {
        Json::Object(map) => Some(map),
        _ => None,
    }
}
