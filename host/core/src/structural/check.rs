//! Checking a value against a schema: one walk along the schema, so that its depth bounds the recursion.

use serde_json::{Map, Value};
use trocar_sdk::diagnostic::pointer;

use super::{
    Additional, MAX_DEPTH, Node, Range,
    patterns::Pattern,
    problem::{Problem, listed, nearest, quoted, shortened, shown},
    values::{Type, are_equal, compare, first_repeated},
};

/// The most problems that one check returns.
pub const MAX_PROBLEMS: usize = 10;

/// Checks a value. The work for patterns is taken from what is left of it.
pub(super) fn check(schema: &Node, value: &Value, work_left: &mut usize) -> Vec<Problem> {
    let mut check = Check {
        path: Vec::new(),
        problems: Vec::new(),
        work_left,
    };
    check.value(schema, value);
    check.problems
}

/// The state of a walk through a value.
struct Check<'a, 'w> {
    path: Vec<Part<'a>>,
    problems: Vec<Problem>,
    work_left: &'w mut usize,
}

/// A step from a value to one in it.
#[derive(Clone, Copy)]
enum Part<'a> {
    Member(&'a str),
    Item(usize),
}

impl<'a> Check<'a, '_> {
    fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    fn add(&mut self, message: String) {
        if !self.is_full() {
            let parts = self.path.iter().map(|part| match part {
                Part::Member(name) => shortened(name),
                Part::Item(index) => index.to_string(),
            });
            self.problems.push(Problem {
                at: pointer(parts),
                message,
            });
        }
    }

    fn value(&mut self, schema: &Node, value: &'a Value) {
        if self.is_full() || !self.has_type(schema, value) {
            return;
        }
        self.is_allowed(schema, value);
        match value {
            Value::Object(members) => self.object(schema, members),
            Value::Array(items) => self.array(schema, items),
            Value::String(text) => self.text(schema, text),
            Value::Number(number) => self.number(schema, number),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn within(&mut self, part: Part<'a>, schema: &Node, value: &'a Value) {
        self.path.push(part);
        self.value(schema, value);
        self.path.pop();
    }

    fn has_type(&mut self, schema: &Node, value: &Value) -> bool {
        let fits = schema.types.is_empty() || schema.types.iter().any(|wanted| wanted.includes(value));
        if !fits {
            let wanted: Vec<&str> = schema.types.iter().map(|wanted| wanted.name()).collect();
            self.add(format!(
                "want {}, but got {}",
                wanted.join(" or "),
                Type::of(value).name()
            ));
        }
        fits
    }

    fn is_allowed(&mut self, schema: &Node, value: &Value) {
        if let Some(values) = &schema.one_of
            && !values.includes(value)
        {
            let lead = if values.all.len() == 1 { "" } else { "one of " };
            let values = listed(values.all.iter().map(shown));
            self.add(format!("value must be {lead}{values}"));
        }
        if let Some(constant) = &schema.constant
            && !are_equal(constant, value)
        {
            self.add(format!("value must be {}", shown(constant)));
        }
    }

    fn object(&mut self, schema: &Node, members: &'a Map<String, Value>) {
        let is_missing = |name: &&String| !members.contains_key(*name);
        let missing: Vec<String> = schema
            .required
            .iter()
            .filter(is_missing)
            .map(|name| quoted(name))
            .collect();
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            self.add(format!("{} {verb} missing", listed(missing.into_iter())));
        }
        self.count(&schema.property_count, members.len(), "setting");
        for (name, member) in members {
            if self.is_full() {
                return;
            }
            let part = Part::Member(name);
            match (schema.properties.get(name), &schema.additional_properties) {
                (Some(property), _) => self.within(part, property, member),
                (None, Additional::Schema(additional)) => self.within(part, additional, member),
                (None, Additional::Any) => {}
                (None, Additional::Refused) => {
                    self.path.push(part);
                    self.add(unknown_setting(name, schema));
                    self.path.pop();
                }
            }
        }
    }

    fn array(&mut self, schema: &Node, items: &'a [Value]) {
        self.count(&schema.item_count, items.len(), "item");
        if let Some(item_schema) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                if self.is_full() {
                    return;
                }
                self.within(Part::Item(index), item_schema, item);
            }
        }
        if !schema.unique_items {
            return;
        }
        let (index, message) = match first_repeated(items, MAX_DEPTH) {
            Ok(None) => return,
            Ok(Some(index)) => (index, "the same item stands in the list twice".to_owned()),
            Err(index) => (index, format!("nested more than {MAX_DEPTH} levels deep")),
        };
        self.path.push(Part::Item(index));
        self.add(message);
        self.path.pop();
    }

    fn count(&mut self, range: &Range<u64>, count: usize, what: &str) {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        if let Some(min) = range.min.filter(|min| (count as u64) < *min) {
            self.add(format!(
                "at least {min} {what}{} wanted, but got {count}",
                plural(min)
            ));
        }
        if let Some(max) = range.max.filter(|max| (count as u64) > *max) {
            self.add(format!(
                "at most {max} {what}{} wanted, but got {count}",
                plural(max)
            ));
        }
    }

    fn text(&mut self, schema: &Node, text: &str) {
        if schema.length.min.is_some() || schema.length.max.is_some() {
            self.count(&schema.length, text.chars().count(), "character");
        }
        if let Some(pattern) = &schema.pattern {
            self.pattern(pattern, text);
        }
    }

    fn pattern(&mut self, pattern: &Pattern, text: &str) {
        match pattern.is_match(text, self.work_left) {
            Some(true) => {}
            Some(false) => {
                let (text, pattern) = (shown(&text.into()), shown(&pattern.text().into()));
                self.add(format!("{text} does not match pattern {pattern}"));
            }
            None => self.add("too much text for the patterns that it must match".to_owned()),
        }
    }

    fn number(&mut self, schema: &Node, number: &serde_json::Number) {
        let bounds = [
            (&schema.number.min, "at least", true, std::cmp::Ordering::Less),
            (&schema.number.max, "at most", true, std::cmp::Ordering::Greater),
            (
                &schema.exclusive.min,
                "more than",
                false,
                std::cmp::Ordering::Less,
            ),
            (
                &schema.exclusive.max,
                "less than",
                false,
                std::cmp::Ordering::Greater,
            ),
        ];
        for (bound, words, is_inclusive, outside) in bounds {
            let Some(bound) = bound else { continue };
            let order = compare(number, bound);
            if order == outside || order.is_eq() && !is_inclusive {
                self.add(format!("must be {words} {bound}, but got {number}"));
            }
        }
    }
}

fn unknown_setting(name: &str, schema: &Node) -> String {
    let known = schema.properties.keys().map(String::as_str);
    match nearest(name, known.clone()) {
        Some(meant) => format!("unknown setting; did you mean {meant:?}?"),
        None if known.len() == 0 => "unknown setting; none are known here".to_owned(),
        None => format!("unknown setting; known are {}", listed(known.map(quoted))),
    }
}
