//! Reads the pickles of CIFAR-10, and only those: dictionaries, lists, numbers, strings, and numpy's arrays
//! of bytes. Nothing else is ever made, so that a hostile file can do nothing.
//!
//! Opcodes and their arguments: Python's `pickletools`.

use std::collections::HashMap;
use std::rc::Rc;

/// Things on the stack or in lists, at most: a published batch has some 20,000.
const ITEMS_MAX: usize = 4_000_000;
/// Names that may be looked up: what numpy writes, and how Python 3 writes bytes for Python 2.
const GLOBALS: [&str; 5] = [
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
];

/// A value of a pickle.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Mark,
    None,
    Int(i64),
    Text(Rc<[u8]>),
    Tuple(Rc<[Item]>),
    List(Vec<Item>),
    Dict(Vec<(Item, Item)>),
    Global(&'static str),
    /// A call: what, with what, and the state set afterwards.
    Made(&'static str, Rc<[Item]>, Option<Rc<Item>>),
}

/// An array of bytes.
pub(crate) struct Array {
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Rc<[u8]>,
}

/// Why a pickle cannot be read.
#[derive(Debug)]
pub(crate) struct PickleError {
    offset: usize,
    what: String,
}

impl std::fmt::Display for PickleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at offset {}", self.what, self.offset)
    }
}

impl Item {
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }
}

/// A two-dimensional array of u8, in row order.
pub(crate) fn array(item: &Item) -> Result<Array, String> {
    let Item::Made(name, _, Some(state)) = item else { return Err("is no numpy array".to_owned()) };
    let Item::Tuple(state) = &**state else { return Err("has no state".to_owned()) };
    let ([_, Item::Tuple(shape), dtype, order, Item::Text(bytes)], true) =
        (&state[..], name.ends_with("_reconstruct"))
    else {
        return Err("is an array of another form than numpy writes".to_owned());
    };
    let of_bytes = matches!(dtype, Item::Made("numpy dtype", args, _)
        if matches!(args.first(), Some(Item::Text(code)) if **code == *b"u1"));
    if !of_bytes {
        return Err("is no array of uint8".to_owned());
    }
    if order.int() != Some(0) {
        return Err("is in column order".to_owned());
    }
    let axes = shape.iter().map(|axis| axis.int().and_then(|axis| u64::try_from(axis).ok()));
    let shape: Vec<u64> = axes.collect::<Option<_>>().ok_or("has no shape")?;
    let count = shape.iter().try_fold(1_u64, |all, axis| all.checked_mul(*axis));
    if count != Some(bytes.len() as u64) {
        return Err(format!("has {} bytes for the shape {shape:?}", bytes.len()));
    }
    Ok(Array { shape, bytes: Rc::clone(bytes) })
}

/// The value of a pickle.
pub(crate) fn read(bytes: &[u8]) -> Result<Item, PickleError> {
    let mut reader = Reader { bytes, at: 0, stack: Vec::new(), memo: HashMap::new(), items: 0 };
    loop {
        let offset = reader.at;
        match reader.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(root),
            Err(what) => return Err(PickleError { offset, what }),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Item>,
    memo: HashMap<u32, Item>,
    items: usize,
}

type Step<T> = Result<T, String>;

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            format!("truncated: {len} bytes wanted, {} left", self.bytes.len() - self.at)
        })?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number of `len` bytes, little endian.
    fn number(&mut self, len: usize) -> Step<u64> {
        Ok(self.take(len)?.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(256).position(|byte| *byte == b'\n').ok_or("no end of line")?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(|e| e.to_string())
    }

    fn push(&mut self, item: Item) -> Step<()> {
        self.items += 1;
        if self.items > ITEMS_MAX {
            return Err(format!("more than {ITEMS_MAX} values"));
        }
        self.stack.push(item);
        Ok(())
    }

    fn text(&mut self, width: usize) -> Step<()> {
        let len = usize::try_from(self.number(width)?).map_err(|e| e.to_string())?;
        let text = self.take(len)?.into();
        self.push(Item::Text(text))
    }

    fn pop(&mut self) -> Step<Item> {
        self.stack.pop().ok_or_else(|| "nothing to take".to_owned())
    }

    fn popped<const N: usize>(&mut self) -> Step<[Item; N]> {
        let start = self.stack.len().checked_sub(N).ok_or("nothing to take")?;
        let items = self.stack.split_off(start);
        items.try_into().map_err(|_| "nothing to take".to_owned())
    }

    fn since_mark(&mut self) -> Step<Vec<Item>> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark));
        let items = self.stack.split_off(mark.ok_or("no mark")? + 1);
        self.stack.pop();
        Ok(items)
    }

    fn global(&mut self, module: &str, name: &str) -> Step<()> {
        let wanted = format!("{module} {name}");
        let known = GLOBALS.into_iter().find(|known| *known == wanted);
        self.push(Item::Global(
            known.ok_or_else(|| format!("`{module}.{name}` is not of CIFAR-10"))?,
        ))
    }

    fn extend(&mut self, more: Vec<Item>) -> Step<()> {
        match self.stack.last_mut() {
            Some(Item::List(list)) => list.extend(more),
            Some(Item::Dict(dict)) => {
                let mut more = more.into_iter();
                while let (Some(key), Some(value)) = (more.next(), more.next()) {
                    dict.push((key, value));
                }
            }
            _ => return Err("no list or dictionary to add to".to_owned()),
        }
        Ok(())
    }

    fn keep(&mut self, place: u64) -> Step<()> {
        let item = self.stack.last().ok_or("nothing to keep")?;
        // Lists and dictionaries are kept before they are filled, and never asked for again.
        let item = match item {
            Item::List(_) | Item::Dict(_) => Item::None,
            other => other.clone(),
        };
        self.memo.insert(u32::try_from(place).map_err(|e| e.to_string())?, item);
        Ok(())
    }

    fn kept(&mut self, place: u64) -> Step<()> {
        let place = u32::try_from(place).map_err(|e| e.to_string())?;
        let item = self.memo.get(&place).ok_or("nothing was kept there")?.clone();
        self.push(item)
    }

    /// One opcode; the root value at the end.
    fn step(&mut self) -> Step<Option<Item>> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'(' => self.push(Item::Mark)?,
            b'N' => self.push(Item::None)?,
            b'}' => self.push(Item::Dict(Vec::new()))?,
            b']' => self.push(Item::List(Vec::new()))?,
            b')' => self.push(Item::Tuple(Rc::new([])))?,
            0x88 => self.push(Item::Int(1))?,
            0x89 => self.push(Item::Int(0))?,
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let bits = u32::try_from(self.number(4)?).map_err(|e| e.to_string())?;
                self.push(Item::Int(i64::from(bits.cast_signed())))?;
            }
            0x8a => {
                let len = usize::from(self.byte()?);
                if len > 7 {
                    return Err(format!("a number of {len} bytes"));
                }
                let value = self.number(len)?.cast_signed();
                let sign =
                    if len > 0 && value >> (8 * len - 1) & 1 == 1 { 1 << (8 * len) } else { 0 };
                self.push(Item::Int(value - sign))?;
            }
            b'I' => {
                let line = self.line()?;
                self.push(Item::Int(line.parse().map_err(|_| format!("number `{line}`"))?))?;
            }
            b'U' | b'C' | 0x8c => self.text(1)?,
            b'T' | b'X' | b'B' => self.text(4)?,
            0x8d | 0x8e => self.text(8)?,
            b'q' => self.number(1).and_then(|place| self.keep(place))?,
            b'r' => self.number(4).and_then(|place| self.keep(place))?,
            0x94 => self.keep(self.memo.len() as u64)?,
            b'h' => self.number(1).and_then(|place| self.kept(place))?,
            b'j' => self.number(4).and_then(|place| self.kept(place))?,
            b't' => {
                let items = self.since_mark()?;
                self.push(Item::Tuple(items.into()))?;
            }
            0x85 => self.popped::<1>().and_then(|items| self.push(Item::Tuple(Rc::new(items))))?,
            0x86 => self.popped::<2>().and_then(|items| self.push(Item::Tuple(Rc::new(items))))?,
            0x87 => self.popped::<3>().and_then(|items| self.push(Item::Tuple(Rc::new(items))))?,
            b'e' | b'u' => self.since_mark().and_then(|items| self.extend(items))?,
            b'a' => self.popped::<1>().and_then(|items| self.extend(items.into()))?,
            b's' => self.popped::<2>().and_then(|items| self.extend(items.into()))?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let [module, name] = self.popped::<2>()?;
                let text = |item: &Item| {
                    item.text().and_then(|text| String::from_utf8(text.to_vec()).ok())
                };
                let (module, name) =
                    (text(&module).unwrap_or_default(), text(&name).unwrap_or_default());
                self.global(&module, &name)?;
            }
            b'R' => {
                let [what, with] = self.popped::<2>()?;
                let made = call(&what, &with)?;
                self.push(made)?;
            }
            b'b' => {
                let [made, state] = self.popped::<2>()?;
                let Item::Made(name, args, _) = made else {
                    return Err("no object to set".to_owned());
                };
                self.push(Item::Made(name, args, Some(Rc::new(state))))?;
            }
            other => return Err(format!("opcode {other:#04x} is not of CIFAR-10")),
        }
        Ok(None)
    }

    fn int(&mut self, len: usize) -> Step<()> {
        let value = self.number(len)?.cast_signed();
        self.push(Item::Int(value))
    }
}

fn call(what: &Item, with: &Item) -> Step<Item> {
    let (Item::Global(name), Item::Tuple(args)) = (what, with) else {
        return Err("a call of something else than a name".to_owned());
    };
    if *name != "_codecs encode" {
        return Ok(Item::Made(name, Rc::clone(args), None));
    }
    // Bytes as Latin-1 characters, which UTF-8 writes in one or two bytes.
    let text = args.first().and_then(Item::text).ok_or("encode without a text")?;
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    let bytes = text.chars().map(|c| u8::try_from(c).map_err(|_| format!("character {c:?}")));
    Ok(Item::Text(bytes.collect::<Step<Vec<u8>>>()?.into()))
}
