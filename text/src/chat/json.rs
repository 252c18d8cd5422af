//! The `tojson` filter as transformers has it: Python's `json.dumps` with `ensure_ascii` off, and no HTML escapes.

use std::io;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};
use serde::Serialize;
use serde_json::ser::Formatter;

/// How `json.dumps` lays a value out.
struct Python {
    indent: Option<usize>,
    between_items: String,
    after_key: String,
    depth: usize,
    filled: bool,
}

impl Python {
    fn open<W: ?Sized + io::Write>(&mut self, out: &mut W, bracket: &str) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(bracket.as_bytes())
    }

    fn close<W: ?Sized + io::Write>(&mut self, out: &mut W, bracket: &str) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(out)?;
        }
        self.filled = true;
        out.write_all(bracket.as_bytes())
    }

    fn item<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(self.between_items.as_bytes())?;
        }
        self.line(out)
    }

    fn line<W: ?Sized + io::Write>(&self, out: &mut W) -> io::Result<()> {
        let Some(indent) = self.indent else { return Ok(()) };
        out.write_all(b"\n")?;
        out.write_all(&vec![b' '; indent * self.depth])
    }
}

impl Formatter for Python {
    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, "[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, "]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, "{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, "}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(self.after_key.as_bytes())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

/// The most spaces a level is indented by.
const MAX_INDENT: usize = 16;

/// Collects what is written and pays for it at once: lists that share their parts can be exponentially longer as text than in memory.
struct Metered<'s, 't, 'e> {
    state: &'s State<'t, 'e>,
    bytes: Vec<u8>,
    unpaid: usize,
}

/// Bytes of JSON that one step pays for; writing them goes piece by piece.
const BYTES_PER_STEP: usize = 4;

impl io::Write for Metered<'_, '_, '_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.unpaid += part.len();
        let steps = self.unpaid / BYTES_PER_STEP;
        self.unpaid %= BYTES_PER_STEP;
        self.state.consume_fuel(steps as u64).map_err(io::Error::other)?;
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `value | tojson(indent=, separators=, ensure_ascii=)`.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands keyword arguments over by value")]
pub(super) fn tojson(state: &State, value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = indent.map_or_else(|| options.get::<Option<usize>>("indent"), |n| Ok(Some(n)))?;
    if indent > Some(MAX_INDENT) {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("tojson indents by at most {MAX_INDENT}")));
    }
    let plain = if indent.is_some() { "," } else { ", " };
    let (between_items, after_key) = match options.get::<Option<Vec<String>>>("separators")?.as_deref() {
        None => (plain.to_owned(), ": ".to_owned()),
        Some([items, key]) => (items.clone(), key.clone()),
        Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "tojson takes two separators")),
    };
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    options.assert_all_used()?;
    let layout = Python { indent, between_items, after_key, depth: 0, filled: false };
    let mut out = Metered { state, bytes: Vec::new(), unpaid: 0 };
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, layout));
    // Where the fuel ran out, that is the error, whatever the serialiser made of it.
    state.consume_fuel(1)?;
    written.map_err(|e| Error::new(ErrorKind::InvalidOperation, "the value has no JSON form").with_source(e))?;
    let text = String::from_utf8(out.bytes).map_err(|e| Error::new(ErrorKind::InvalidOperation, "the value is not text").with_source(e))?;
    Ok(if ascii { escaped(&text) } else { text })
}

/// Characters beyond ASCII stand only inside strings, where JSON writes them as UTF-16 units.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}
