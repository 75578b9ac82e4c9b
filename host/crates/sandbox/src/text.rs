//! Text of a guest before anybody shows or keeps it: cut, and without what would steer a terminal.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::limits::TEXT_BYTES;

/// At most [`TEXT_BYTES`] of it, with its control characters replaced; lines and tabs stay.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    let whole = text.len() <= TEXT_BYTES;
    let part = if whole { text } else { &text[..text.floor_char_boundary(TEXT_BYTES)] };
    if whole && !part.contains(steers) {
        return Cow::Borrowed(part);
    }
    let mut clean = part.replace(steers, "\u{fffd}");
    if !whole {
        clean.push('…');
    }
    Cow::Owned(clean)
}

/// The same of all texts in a document.
pub(crate) fn clean_json(document: Json) -> Json {
    match document {
        Json::String(text) => Json::String(clean(&text).into_owned()),
        Json::Array(all) => all.into_iter().map(clean_json).collect(),
        Json::Object(all) => all
            .into_iter()
            .map(|(key, value)| (clean(&key).into_owned(), clean_json(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TEXT_BYTES, clean, clean_json};

    #[test]
    fn texts_are_cut_and_cannot_steer_a_terminal() {
        assert_eq!(clean("two\nlines\tand é"), "two\nlines\tand é");
        assert_eq!(clean("\x1b[2Jgone\r"), "\u{fffd}[2Jgone\u{fffd}");
        let long = clean(&"é".repeat(TEXT_BYTES)).into_owned();
        assert_eq!((long.chars().count(), long.ends_with('…')), (TEXT_BYTES / 2 + 1, true));
        let document = json!({ "na\u{1b}me": ["\u{7}ring", 3, null] });
        assert_eq!(clean_json(document), json!({ "na\u{fffd}me": ["\u{fffd}ring", 3, null] }));
    }
}
