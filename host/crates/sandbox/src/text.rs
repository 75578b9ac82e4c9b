//! Text of a guest before anybody shows or keeps it: cut, and without what would steer a terminal.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::{TEXT_BYTES, clean};

    #[test]
    fn texts_are_cut_and_cannot_steer_a_terminal() {
        assert_eq!(clean("two\nlines\tand é"), "two\nlines\tand é");
        assert_eq!(clean("\x1b[2Jgone\r"), "\u{fffd}[2Jgone\u{fffd}");
        let long = clean(&"é".repeat(TEXT_BYTES)).into_owned();
        assert_eq!((long.chars().count(), long.ends_with('…')), (TEXT_BYTES / 2 + 1, true));
    }
}
