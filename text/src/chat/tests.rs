//! What templates of published models need, and what hostile ones may not do.

use std::time::Instant;

use super::*;

fn special() -> Special {
    Special { bos: Some("<s>".into()), eos: Some("</s>".into()), ..Special::default() }
}

fn render(template: &str, messages: &[Message]) -> Result<String, TextError> {
    ChatTemplate::new(template.to_owned(), "t.jinja")?.render(messages, true, &special())
}

fn talk() -> Vec<Message> {
    vec![Message::user(" hi "), Message { role: Speaker::Assistant, content: "\"<é>\"".into() }]
}

#[test]
fn hostile_templates_are_stopped_by_fuel_and_limits() {
    let bombs = [
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(100000) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{{ 'x' * 100000000000 }}",
        "{{ range(99999) | list * 100000 }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set ns = namespace(s='xx') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(v=[]) %}{% for i in range(100000) %}{% set ns.v = ns.v + [ns.v] %}{% endfor %}{{ ns.v | tojson }}",
        "{% set ns = namespace(v=[1]) %}{% for i in range(64) %}{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v | tojson }}",
        "{% set ns = namespace(v=[1]) %}{% for i in range(64) %}{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v }}",
        "{% set ns = namespace(v=[1]) %}{% for i in range(64) %}{% set ns.v = {'a': ns.v, 'b': ns.v} %}{% endfor %}{{ ns.v }}",
        "{% set x = 'x' * 1000000 %}{% for i in range(100000) %}{% set y = x.strip().upper() %}{% endfor %}",
        "{% set x = 'a' * 100000 %}{% for i in range(100000) %}{% if x.endswith('b') or x.find('ab') > 3 %}{% endif %}{% endfor %}",
    ];
    for bomb in bombs {
        let start = Instant::now();
        let error = render(bomb, &[]).unwrap_err();
        assert!(start.elapsed().as_secs_f64() < 2.0, "{bomb}");
        // By its own limits, not by the deadline: nothing is left running.
        assert!(!error.to_string().contains("given up"), "{bomb}: {error}");
    }
}

#[test]
fn work_that_costs_no_fuel_ends_at_the_deadline() {
    let bomb = "{% set ns = namespace(v=[1], w=[1]) %}{% for i in range(64) %}{% set ns.v = [ns.v, ns.v] %}{% set ns.w = [ns.w, ns.w] %}{% endfor %}{{ ns.v == ns.w }}";
    let error = render(bomb, &[]).unwrap_err().to_string();
    assert!(error.contains("given up after 800ms"), "{error}");
}

#[test]
fn lists_nested_as_deep_as_the_fuel_allows_do_not_overflow_the_stack() {
    let rest = [
        "",
        "{{ ns.v }}",
        "{{ ns.v | tojson }}",
        "{{ ns.v == [ns.v] }}",
        "{{ ns.v ~ '' }}",
        "{{ {ns.v: 1} }}",
        "{{ [ns.v, ns.v] | sort }}",
    ];
    let grow = ["[ns.v]", "{'v': ns.v}", "(ns.v,)"];
    for (grow, rest) in grow.into_iter().flat_map(|g| rest.map(|r| (g, r))) {
        // The most levels that leave fuel for the rest, and all of them.
        for levels in [8_000, 16_000, 99_999] {
            let bomb =
                format!("{{% set ns = namespace(v=[]) %}}{{% for i in range({levels}) %}}{{% set ns.v = {grow} %}}{{% endfor %}}{rest}");
            let _ = render(&bomb, &[]);
        }
    }
}

#[test]
fn a_loop_says_that_it_is_one() {
    let error = render("a\n {% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", &[]).unwrap_err();
    assert!(matches!(&error, TextError::TemplateFuel { place, .. } if place.starts_with("t.jinja:2")), "{error}");
    assert!(error.to_string().contains("it loops"), "{error}");
}

#[test]
fn a_template_can_refuse_a_conversation() {
    let error = render("\n{{ raise_exception('roles must alternate') }}", &talk()).unwrap_err().to_string();
    assert_eq!(error, "t.jinja:2:4: the chat template failed: roles must alternate");
}

#[test]
fn a_fault_in_the_syntax_is_placed() {
    let error = ChatTemplate::new("ok\n  {% if x %}{{ y z }}".into(), "t.jinja").unwrap_err();
    assert!(matches!(&error, TextError::TemplateSyntax { place, .. } if place == "t.jinja:2:18"), "{error}");
}

#[test]
fn python_methods_work_and_blocks_are_trimmed() {
    let template =
        "{% for m in messages %}\n  {% if m['role'] == 'user' %}\n{{ m['content'].strip().upper() }}\n  {% endif %}\n{% endfor %}";
    assert_eq!(render(template, &talk()).unwrap(), "HI\n");
    let template = "{%- for m in messages -%}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m.content[::-1] }}{% endfor %}";
    assert_eq!(render(template, &talk()).unwrap(), " ih ");
}

#[test]
fn templates_see_what_transformers_gives_them() {
    assert_eq!(
        render("{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ tools }}{{ messages[0].tool_calls is defined }}", &talk())
            .unwrap(),
        "<s></s>FalseNoneFalse"
    );
    assert_eq!(render("{{ tools is iterable }}{{ messages is iterable }}{{ '' is iterable }}", &[]).unwrap(), "FalseTrueTrue");
    assert_eq!(render("{{ strftime_now('%d %b %Y') }}", &[]).unwrap(), "26 Jul 2024");
    assert_eq!(render("{{ messages[0].role }}{{ add_generation_prompt }}\n", &talk()).unwrap(), "userTrue");
}

#[test]
fn json_is_written_as_python_writes_it() {
    assert_eq!(render("{{ messages[1].content | tojson }}", &talk()).unwrap(), r#""\"<é>\"""#);
    assert_eq!(render("{{ {'b': [1, 2.0, none], 'a': {}} | tojson }}", &[]).unwrap(), r#"{"b": [1, 2.0, null], "a": {}}"#);
    assert_eq!(
        render("{{ {'b': [1, []], 'a': {}} | tojson(indent=2) }}", &[]).unwrap(),
        "{\n  \"b\": [\n    1,\n    []\n  ],\n  \"a\": {}\n}"
    );
    assert_eq!(render("{{ ['é🙂'] | tojson(ensure_ascii=true, separators=(',', ':')) }}", &[]).unwrap(), r#"["\u00e9\ud83d\ude42"]"#);
}

#[test]
fn generation_blocks_mean_nothing_for_the_text() {
    let template = "{% for m in messages %}{%- generation -%} {{ m.content }} {%- endgeneration %}\n{% endfor %}{{ 'generation' }}";
    assert_eq!(render(template, &talk()[1..]).unwrap(), "\"<é>\"generation");
    let source = "{%+ generation%}x{% endgeneration +%}{% if generation %}{% endif %}";
    assert_eq!(blank_generation_blocks(source), "{%+ if true   %}x{% endif         +%}{% if generation %}{% endif %}");
}
