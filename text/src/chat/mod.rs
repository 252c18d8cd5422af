//! Chat templates: a conversation as the text a model was trained on.
//!
//! Templates are Jinja as transformers runs it (`utils/chat_template_utils.py`): blocks trimmed, loop controls, `raise_exception`,
//! `strftime_now`, `tojson` without HTML escapes, the `generation` block. A template comes with a model from the net, so it runs under fuel,
//! a limit on nesting, and on a thread with a deadline: it can neither hang nor overflow the stack.

mod clock;
mod json;
mod place;
mod thread;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use collimate_types::{Message, Speaker};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

use crate::TextError;
use crate::special::Special;
use place::{blank_generation_blocks, place};

/// Steps a template may take, one for an instruction or for 64 bytes of text: a thousand turns need less than half of them; a loop without end
/// is stopped in well under a second.
const FUEL: u64 = 200_000;
/// How deep a template may nest.
const RECURSION: usize = 100;
/// The longest template that is read; the longest published ones have some 20 kB.
const MAX_BYTES: usize = 1 << 20;
/// The name of the one template in its environment.
const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    source: String,
    /// Where it came from, for errors.
    origin: String,
    environment: Arc<Environment<'static>>,
}

impl ChatTemplate {
    /// Compiles a template. `origin` is the file, or file and key, that errors name.
    pub(crate) fn new(source: String, origin: &str) -> Result<Self, TextError> {
        if source.len() > MAX_BYTES {
            let what = format!("{} bytes; a template has at most {MAX_BYTES}", source.len());
            return Err(TextError::TemplateSyntax { place: origin.to_owned(), what });
        }
        let mut environment = environment(origin)?;
        let text = blank_generation_blocks(&source);
        let syntax = |e: &Error| TextError::TemplateSyntax { place: place(origin, &source, e), what: said(e) };
        environment.add_template_owned(NAME, text).map_err(|e| syntax(&e))?;
        Ok(Self { origin: origin.to_owned(), environment: Arc::new(environment), source })
    }

    /// The template as it was read.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation, with the beginning of the answer if `generation_prompt`.
    pub(crate) fn render(&self, messages: &[Message], generation_prompt: bool, special: &Special) -> Result<String, TextError> {
        let mut values: BTreeMap<&str, Value> = special.roles().map(|(role, token)| (role, token.into())).collect();
        values.insert("messages", messages.iter().map(turn).collect());
        values.insert("add_generation_prompt", generation_prompt.into());
        // Given as transformers gives them when there are none.
        values.insert("tools", ().into());
        values.insert("documents", ().into());
        let environment = Arc::clone(&self.environment);
        let render = move || environment.get_template(NAME).and_then(|template| template.render(values));
        match thread::run(render) {
            Ok(rendered) => rendered.map_err(|e| self.fault(&e)),
            Err(what) => Err(TextError::Template { place: self.origin.clone(), what: what.to_string() }),
        }
    }

    fn fault(&self, error: &Error) -> TextError {
        let place = place(&self.origin, &self.source, error);
        match error.kind() {
            ErrorKind::OutOfFuel => TextError::TemplateFuel { place, fuel: FUEL },
            _ => TextError::Template { place, what: said(error) },
        }
    }
}

/// A turn as a template sees it.
fn turn(message: &Message) -> Value {
    let role = match message.role {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    Value::from_pairs([("role", role), ("content", message.content.as_str())])
}

fn environment(origin: &str) -> Result<Environment<'static>, TextError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|e| TextError::TemplateSyntax { place: origin.to_owned(), what: said(&e) })?);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    // Spans of errors without copies of the source.
    environment.set_debug(false);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(as_python_prints);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    // The engine would say that `none` is iterable.
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_filter("tojson", json::tojson);
    environment.add_function("strftime_now", clock::strftime_now);
    environment
        .add_function("raise_exception", |text: String| -> Result<Value, Error> { Err(Error::new(ErrorKind::InvalidOperation, text)) });
    Ok(environment)
}

/// Python prints its constants with capitals. Containers are paid for while they are printed: lists that share their parts can be
/// exponentially longer as text than in memory.
fn as_python_prints(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let word = match value.kind() {
        ValueKind::None => "None",
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain => {
            let printed = write!(Metered { out, state }, "{value}");
            // Where the fuel ran out, that is the error.
            state.consume_fuel(1)?;
            return printed.map_err(Error::from);
        }
        _ => return escape_formatter(out, state, value),
    };
    out.write_str(word).map_err(Error::from)
}

/// Pays one step for each piece of a container.
struct Metered<'o, 'c, 's, 't, 'e> {
    out: &'o mut Output<'c>,
    state: &'s State<'t, 'e>,
}

impl Write for Metered<'_, '_, '_, '_, '_> {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        self.state.consume_fuel(1).map_err(|_| std::fmt::Error)?;
        self.out.write_str(part)
    }
}

/// What an error says, without the place, which is told apart.
fn said(error: &Error) -> String {
    match error.detail() {
        Some(detail) if error.kind() == ErrorKind::InvalidOperation => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests;
