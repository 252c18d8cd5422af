//! Chat templates: a conversation as the text a model was trained on.

use collimate_types::{Message, Speaker};
use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig};

use crate::TextError;

/// Instructions a template may use: a thousand turns need some ten thousand; a loop without end is stopped within a second.
const FUEL: u64 = 5_000_000;
/// How deep a template may nest.
const RECURSION: usize = 64;

/// Renders a conversation. Blocks are trimmed as transformers does.
pub(crate) fn render(
    template: &str,
    messages: &[Message],
    generation_prompt: bool,
    (bos, eos): (Option<&str>, Option<&str>),
) -> Result<String, TextError> {
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.map_err(|e| TextError::Template(e.to_string()))?);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.add_function("raise_exception", |text: String| -> Result<String, Error> { Err(Error::new(ErrorKind::InvalidOperation, text)) });
    let fault = |e: &Error| TextError::Template(format!("{e:#}"));
    env.add_template("chat", template).map_err(|e| fault(&e))?;
    let chat = env.get_template("chat").map_err(|e| fault(&e))?;
    let values = context! { messages => messages.iter().map(turn).collect::<Value>(), add_generation_prompt => generation_prompt, bos_token => bos, eos_token => eos };
    chat.render(values).map_err(|e| fault(&e))
}

/// A turn as a template sees it.
fn turn(message: &Message) -> Value {
    let role = match message.role {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    context! { role => role, content => message.content.as_str() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_without_end_is_stopped() {
        let start = std::time::Instant::now();
        let error = render("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}", &[], true, (None, None));
        assert!(error.is_err() && start.elapsed().as_secs_f64() < 1.0);
    }

    #[test]
    fn a_template_can_refuse_a_conversation() {
        let error = render("{{ raise_exception('roles must alternate') }}", &[], true, (None, None)).unwrap_err().to_string();
        assert!(error.contains("roles must alternate"), "{error}");
    }

    #[test]
    fn python_methods_work_and_blocks_are_trimmed() {
        let template = "{% for m in messages %}\n  {% if m['role'] == 'user' %}\n{{ m['content'].strip().upper() }}\n  {% endif %}\n{% endfor %}";
        assert_eq!(render(template, &[Message::user(" hi ")], false, (None, None)).unwrap(), "HI\n");
    }
}
