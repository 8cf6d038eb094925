//! Reading a schema: every keyword has one function, what is unknown or too large is refused where it stands.

use std::collections::BTreeMap;

use serde_json::{Number, Value};
use trocar_sdk::diagnostic::pointer;

use super::{
    Additional, MAX_DEPTH, MAX_ENUM_NOT_TEXT, MAX_PATTERN, MAX_PATTERNS, MAX_SCHEMAS, MAX_VALUES, Node,
    SchemaError, check,
    patterns::{MAX_WORK, Pattern},
    problem::{listed, nearest, quoted, shortened, shown},
    values::{AllowedValues, Type},
};

/// All keywords but `$schema`, which stands at the root alone and says nothing.
const KEYWORDS: [&str; 23] = [
    "additionalProperties",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
];

pub(super) fn parse(schema: &Value) -> Result<Node, SchemaError> {
    let mut parser = Parser {
        path: Vec::new(),
        depth: 0,
        schemas: 0,
        values: 0,
        patterns: 0,
        work_left: MAX_WORK,
    };
    parser.schema(schema).map_err(|message| SchemaError {
        at: pointer(parser.path.iter().map(|part| shortened(part))),
        message,
    })
}

/// The state of a walk through a schema.
struct Parser<'a> {
    /// Where the walk is; left as it is when an error comes up.
    path: Vec<&'a str>,
    /// How many schemas the walk is in.
    depth: usize,
    schemas: usize,
    values: usize,
    patterns: usize,
    /// The work that is left for patterns, all defaults together.
    work_left: usize,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn within<T>(&mut self, part: &'a str, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.path.push(part);
        let read = read(self)?;
        self.path.pop();
        Ok(read)
    }

    fn schema(&mut self, schema: &'a Value) -> Parsed<Node> {
        let is_root = self.schemas == 0;
        self.schemas += 1;
        if self.schemas > MAX_SCHEMAS {
            return Err(format!("more than {MAX_SCHEMAS} schemas in one"));
        }
        if self.depth == MAX_DEPTH {
            return Err(format!("schemas nest more than {MAX_DEPTH} levels deep"));
        }
        let Value::Object(keywords) = schema else {
            return Err(format!("a schema is an object, not {}", kind(schema)));
        };
        let mut node = Node::default();
        self.depth += 1;
        for (keyword, value) in keywords {
            let read = |parser: &mut Self| parser.keyword(&mut node, keyword, value, is_root);
            self.within(keyword, read)?;
        }
        self.depth -= 1;
        self.check_required(&node)?;
        if let Some(default) = keywords.get("default") {
            self.within("default", |parser| parser.check_default(&node, default))?;
        }
        Ok(node)
    }

    fn keyword(&mut self, node: &mut Node, keyword: &str, value: &'a Value, is_root: bool) -> Parsed<()> {
        match keyword {
            "type" => node.types = types(value)?,
            "properties" => node.properties = self.properties(value)?,
            "required" => node.required = self.required(value)?,
            "additionalProperties" => node.additional_properties = self.additional(value)?,
            "items" => node.items = Some(Box::new(self.schema(value)?)),
            "uniqueItems" => node.unique_items = boolean(value)?,
            "enum" => node.one_of = Some(self.one_of(value)?),
            "const" => {
                self.count_values(value, MAX_DEPTH)?;
                node.constant = Some(value.clone());
            }
            "pattern" => node.pattern = Some(self.pattern(value)?),
            "minLength" => node.length.min = Some(count(value)?),
            "maxLength" => node.length.max = Some(count(value)?),
            "minItems" => node.item_count.min = Some(count(value)?),
            "maxItems" => node.item_count.max = Some(count(value)?),
            "minProperties" => node.property_count.min = Some(count(value)?),
            "maxProperties" => node.property_count.max = Some(count(value)?),
            "minimum" => node.number.min = Some(number(value)?),
            "maximum" => node.number.max = Some(number(value)?),
            "exclusiveMinimum" => node.exclusive.min = Some(number(value)?),
            "exclusiveMaximum" => node.exclusive.max = Some(number(value)?),
            "default" => self.count_values(value, MAX_DEPTH)?,
            "title" | "description" => _ = text(value)?,
            "$schema" if is_root => _ = text(value)?,
            "examples" => {}
            unknown => return Err(unknown_keyword(unknown)),
        }
        Ok(())
    }

    fn properties(&mut self, value: &'a Value) -> Parsed<BTreeMap<String, Node>> {
        let Value::Object(properties) = value else {
            return Err(format!("properties are an object, not {}", kind(value)));
        };
        let mut read = BTreeMap::new();
        for (name, schema) in properties {
            read.insert(name.clone(), self.within(name, |parser| parser.schema(schema))?);
        }
        Ok(read)
    }

    fn additional(&mut self, value: &'a Value) -> Parsed<Additional> {
        Ok(match value {
            Value::Bool(true) => Additional::Any,
            Value::Bool(false) => Additional::Refused,
            schema => Additional::Schema(Box::new(self.schema(schema)?)),
        })
    }

    fn required(&mut self, value: &Value) -> Parsed<Vec<String>> {
        let Value::Array(names) = value else {
            return Err(format!("it is a list of names, not {}", kind(value)));
        };
        self.values += names.len();
        self.check_values()?;
        names.iter().map(|name| text(name).map(str::to_owned)).collect()
    }

    /// A name that is required and refused fits nothing: it is a mistyped one.
    fn check_required(&mut self, node: &Node) -> Parsed<()> {
        if !matches!(node.additional_properties, Additional::Refused) {
            return Ok(());
        }
        let is_unknown = |name: &&String| !node.properties.contains_key(*name);
        let Some(unknown) = node.required.iter().find(is_unknown) else {
            return Ok(());
        };
        let meant = nearest(unknown, node.properties.keys().map(String::as_str));
        let meant = meant.map(|meant| format!("; did you mean {meant:?}?"));
        self.within("required", |_| {
            Err(format!(
                "{} is not among the properties{}",
                quoted(unknown),
                meant.unwrap_or_default()
            ))
        })
    }

    fn one_of(&mut self, value: &Value) -> Parsed<AllowedValues> {
        let Some(values) = value.as_array().filter(|values| !values.is_empty()) else {
            return Err(format!(
                "it is a list of at least one value, not {}",
                shown(value)
            ));
        };
        self.count_values(value, MAX_DEPTH)?;
        if values.iter().filter(|value| !value.is_string()).count() > MAX_ENUM_NOT_TEXT {
            return Err(format!("more than {MAX_ENUM_NOT_TEXT} values that are not texts"));
        }
        Ok(AllowedValues::new(values))
    }

    fn pattern(&mut self, value: &Value) -> Parsed<Pattern> {
        let pattern = text(value)?;
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err(format!("more than {MAX_PATTERNS} patterns in one schema"));
        }
        if pattern.len() > MAX_PATTERN {
            return Err(format!("the pattern is longer than {MAX_PATTERN} bytes"));
        }
        Pattern::parse(pattern).map_err(|error| {
            let error = error.to_string();
            format!(
                "{} is not a pattern that is supported: {}",
                quoted(pattern),
                error.escape_debug()
            )
        })
    }

    /// Counts what a keyword holds, and bounds its depth.
    fn count_values(&mut self, value: &Value, depth: usize) -> Parsed<()> {
        self.values += 1;
        self.check_values()?;
        let below = || {
            let too_deep = || format!("nested more than {MAX_DEPTH} levels deep");
            depth.checked_sub(1).ok_or_else(too_deep)
        };
        match value {
            Value::Array(items) => {
                let below = below()?;
                items.iter().try_for_each(|item| self.count_values(item, below))
            }
            Value::Object(members) => {
                let below = below()?;
                members
                    .values()
                    .try_for_each(|member| self.count_values(member, below))
            }
            _ => Ok(()),
        }
    }

    fn check_default(&mut self, node: &Node, default: &Value) -> Parsed<()> {
        match check::check(node, default, &mut self.work_left).first() {
            Some(problem) => Err(format!("the default does not fit: {problem}")),
            None => Ok(()),
        }
    }

    fn check_values(&self) -> Parsed<()> {
        if self.values > MAX_VALUES {
            return Err(format!("the schema holds more than {MAX_VALUES} values"));
        }
        Ok(())
    }
}

fn unknown_keyword(keyword: &str) -> String {
    match nearest(keyword, KEYWORDS.into_iter()) {
        Some(meant) => format!("unknown keyword; did you mean {meant:?}?"),
        None => format!("the keyword is not supported; known are {}", KEYWORDS.join(", ")),
    }
}

fn types(value: &Value) -> Parsed<Vec<Type>> {
    match value {
        Value::Array(names) if !names.is_empty() && names.len() <= Type::ALL.len() => {
            names.iter().map(type_named).collect()
        }
        Value::Array(_) => Err("a list of types holds one to seven of them".to_owned()),
        name => type_named(name).map(|named| vec![named]),
    }
}

fn type_named(value: &Value) -> Parsed<Type> {
    let name = text(value)?;
    let known = Type::ALL.iter().map(|known| known.name());
    if let Some(found) = Type::ALL.iter().find(|known| known.name() == name) {
        return Ok(*found);
    }
    Err(match nearest(name, known.clone()) {
        Some(meant) => format!("{} is not a type; did you mean {meant:?}?", quoted(name)),
        None => format!(
            "{} is not a type; known are {}",
            quoted(name),
            listed(known.map(quoted))
        ),
    })
}

fn text(value: &Value) -> Parsed<&str> {
    value
        .as_str()
        .ok_or_else(|| format!("want a text, but got {}", kind(value)))
}

fn boolean(value: &Value) -> Parsed<bool> {
    value
        .as_bool()
        .ok_or_else(|| format!("want a boolean, but got {}", kind(value)))
}

fn number(value: &Value) -> Parsed<Number> {
    match value {
        Value::Number(number) => Ok(number.clone()),
        other => Err(format!("want a number, but got {}", kind(other))),
    }
}

fn count(value: &Value) -> Parsed<u64> {
    value
        .as_u64()
        .ok_or_else(|| format!("want an integer from 0, but got {}", shown(value)))
}

fn kind(value: &Value) -> &'static str {
    Type::of(value).name()
}
