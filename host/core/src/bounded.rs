//! Reading JSON from a guest, a file or a server under limits on bytes, values and depth.
//!
//! The limits hold while the text is read, so that a text is refused before its memory is used. Objects with two members of
//! one name are refused: the API server refuses them in its strict mode, and other readers take the first or the last.
//!
//! Integers of 64 bits, signed or unsigned, are kept exactly. Larger ones become the nearest double, as `1e20` does; what is
//! judged and written afterwards is that double. Numbers beyond the range of a double are syntax errors.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};
use trocar_sdk::diagnostic::pointer;

/// The deepest nesting that can be allowed: one less than `serde_json` allows, which recurses while it reads.
pub const MAX_DEPTH: usize = 126;

/// The most letters that are shown of a member's name.
const MAX_SHOWN: usize = 80;

/// The limits on a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of its text in bytes.
    pub bytes: usize,
    /// The number of values in it, itself included. Names of members are not counted: `bytes` bounds them.
    pub nodes: usize,
    /// How many lists and objects lie in one another: 0 for a scalar, 1 for `[]`. At most [`MAX_DEPTH`].
    pub depth: usize,
}

impl Limits {
    /// The limits on the object of one step of a plan.
    pub const STEP: Self = Self {
        bytes: 1 << 20,
        nodes: 100_000,
        depth: 64,
    };

    /// Checks a value that was not read under these limits, by its compact text. Stops at the first limit, so that the
    /// work is bounded by the limits and not by the value.
    ///
    /// # Errors
    /// Fails with the limit that does not hold.
    pub fn check(&self, value: &Value) -> Result<(), TooMuch> {
        // Depth first: writing the text recurses without a bound of its own.
        let mut nodes = self.nodes;
        self.count(value, self.depth, &mut nodes)?;
        let mut room = Room(self.bytes);
        write!(room, "{value}").map_err(|_| TooMuch::Bytes(self.bytes))
    }

    fn count(&self, value: &Value, depth: usize, nodes: &mut usize) -> Result<(), TooMuch> {
        *nodes = nodes.checked_sub(1).ok_or(TooMuch::Nodes(self.nodes))?;
        let below = || depth.checked_sub(1).ok_or(TooMuch::Depth(self.depth));
        match value {
            Value::Array(items) => {
                let below = below()?;
                items.iter().try_for_each(|item| self.count(item, below, nodes))
            }
            Value::Object(members) => {
                let below = below()?;
                members
                    .values()
                    .try_for_each(|member| self.count(member, below, nodes))
            }
            _ => Ok(()),
        }
    }
}

/// What of a document is kept. What is left out is read all the same, under the same limits, but takes no memory; only a member
/// that an object in it has twice is not found.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// What of these members of an object is kept.
    pub members: &'static [(&'static str, Self)],
    /// The other members are kept, as a whole.
    pub others: bool,
}

impl Kept {
    /// Everything.
    pub const ALL: Self = Self {
        members: &[],
        others: true,
    };

    /// Nothing.
    pub const NONE: Self = Self {
        members: &[],
        others: false,
    };

    fn is_none(self) -> bool {
        self.members.is_empty() && !self.others
    }

    fn of(self, name: &str) -> Self {
        let known = self.members.iter().find(|(member, _)| *member == name);
        match (known, self.others) {
            (Some((_, kept)), _) => *kept,
            (None, true) => Self::ALL,
            (None, false) => Self::NONE,
        }
    }
}

/// A sink of text that has room for some bytes.
struct Room(usize);

impl fmt::Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The limit that a document exceeds, with its value. Shown as a predicate: `is larger than 1048576 bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// The size of the text.
    #[error("is larger than {0} bytes")]
    Bytes(usize),
    /// The number of values.
    #[error("holds more than {0} values")]
    Nodes(usize),
    /// The depth of nesting.
    #[error("is nested more than {0} levels deep")]
    Depth(usize),
}

/// Why a text was not read. Shown as a predicate: `is not valid JSON: expected value at line 1 column 2`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A limit does not hold.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The text is not JSON.
    #[error("is not valid JSON: {message} at line {line} column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; 0 at the end of the line before.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// An object has two members of one name.
    #[error("has the member {name:?} twice at line {line} column {column}")]
    Duplicate {
        /// The object's place, as an RFC 6901 pointer.
        at: String,
        /// The member's name, at most 80 letters of it.
        name: String,
        /// The line of the second member, from 1.
        line: usize,
        /// Its column.
        column: usize,
    },
}

/// Reads one JSON document of UTF-8 text.
///
/// # Errors
/// Fails where a limit does not hold, on a mistake in the syntax and on a member that an object has twice.
pub fn parse_bytes(json: &[u8], limits: Limits) -> Result<Value, ReadError> {
    parse_some(json, limits, Kept::ALL)
}

/// The same where not all of it is kept.
///
/// # Errors
/// As [`parse_bytes`], but for members that an object has twice in what is left out.
pub fn parse_some(json: &[u8], limits: Limits, kept: Kept) -> Result<Value, ReadError> {
    if json.len() > limits.bytes {
        return Err(TooMuch::Bytes(limits.bytes).into());
    }
    let text = std::str::from_utf8(json).map_err(|error| {
        let before = &json[..error.valid_up_to()];
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        ReadError::Syntax {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + before.len() - line_start,
            message: "text that is not UTF-8".into(),
        }
    })?;
    read(text, limits, kept)
}

/// Reads one JSON document.
///
/// # Errors
/// Fails where a limit does not hold, on a mistake in the syntax and on a member that an object has twice.
pub fn parse(json: &str, limits: Limits) -> Result<Value, ReadError> {
    if json.len() > limits.bytes {
        return Err(TooMuch::Bytes(limits.bytes).into());
    }
    read(json, limits, Kept::ALL)
}

fn read(json: &str, limits: Limits, kept: Kept) -> Result<Value, ReadError> {
    let limits = Limits {
        // Beyond that, `serde_json` refuses a text with an error of its own.
        depth: limits.depth.min(MAX_DEPTH),
        ..limits
    };
    let mut reading = Reading {
        limits,
        nodes_left: limits.nodes,
        refusal: None,
        path: Vec::new(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let seed = Node {
        reading: &mut reading,
        depth_left: limits.depth,
        kept,
    };
    let read = seed.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    read.map_err(|error| reading.explain(&error))
}

/// What is known while a document is read.
struct Reading {
    limits: Limits,
    nodes_left: usize,
    /// The reason of an error that is not the syntax's.
    refusal: Option<Refusal>,
    /// The way to the mistake, innermost part first: filled while an error goes up.
    path: Vec<String>,
}

enum Refusal {
    TooMuch(TooMuch),
    Duplicate(String),
}

impl Reading {
    fn refuse<E: serde::de::Error>(&mut self, refusal: Refusal) -> E {
        // An error of serde carries a text only, so the reason is kept beside it.
        self.refusal = Some(refusal);
        E::custom("refused")
    }

    fn explain(self, error: &serde_json::Error) -> ReadError {
        let (line, column) = (error.line(), error.column());
        match self.refusal {
            Some(Refusal::TooMuch(limit)) => limit.into(),
            Some(Refusal::Duplicate(name)) => ReadError::Duplicate {
                at: pointer(self.path.iter().rev()),
                name,
                line,
                column,
            },
            None => {
                // `serde_json` appends the place to its message. Here it has fields of its own.
                let place = format!(" at line {line} column {column}");
                ReadError::Syntax {
                    line,
                    column,
                    message: error.to_string().trim_end_matches(&place).to_owned(),
                }
            }
        }
    }
}

/// One value that is read.
struct Node<'a> {
    reading: &'a mut Reading,
    depth_left: usize,
    kept: Kept,
}

impl Node<'_> {
    /// The depth that is left within this list or object.
    fn below<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        let limit = self.reading.limits.depth;
        self.depth_left
            .checked_sub(1)
            .ok_or_else(|| self.reading.refuse(Refusal::TooMuch(TooMuch::Depth(limit))))
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.reading.nodes_left.checked_sub(1) {
            Some(left) => self.reading.nodes_left = left,
            None => {
                let limit = self.reading.limits.nodes;
                return Err(self.reading.refuse(Refusal::TooMuch(TooMuch::Nodes(limit))));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(match self.kept.is_none() {
            true => Value::Null,
            false => value.into(),
        })
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let depth_left = self.below()?;
        let is_left_out = self.kept.is_none();
        let kept = if is_left_out { Kept::NONE } else { Kept::ALL };
        let reading = self.reading;
        let mut list = Vec::new();
        for index in 0.. {
            let node = Node {
                reading: &mut *reading,
                depth_left,
                kept,
            };
            match items.next_element_seed(node) {
                Ok(Some(_)) if is_left_out => {}
                Ok(Some(item)) => list.push(item),
                Ok(None) => break,
                Err(error) => {
                    reading.path.push(usize::to_string(&index));
                    return Err(error);
                }
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let depth_left = self.below()?;
        let (reading, all_kept) = (self.reading, self.kept);
        let mut object = Map::new();
        if all_kept.is_none() {
            while members.next_key::<IgnoredAny>()?.is_some() {
                let kept = Kept::NONE;
                members.next_value_seed(Node {
                    reading: &mut *reading,
                    depth_left,
                    kept,
                })?;
            }
            return Ok(Value::Null);
        }
        while let Some(name) = members.next_key::<String>()? {
            let kept = all_kept.of(&name);
            let place = match object.entry(name) {
                Entry::Vacant(place) => place,
                Entry::Occupied(place) => {
                    let name = place.key().chars().take(MAX_SHOWN).collect();
                    return Err(reading.refuse(Refusal::Duplicate(name)));
                }
            };
            let node = Node {
                reading: &mut *reading,
                depth_left,
                kept,
            };
            match members.next_value_seed(node) {
                Ok(_) if kept.is_none() => {}
                Ok(value) => _ = place.insert(value),
                Err(error) => {
                    reading.path.push(place.key().chars().take(MAX_SHOWN).collect());
                    return Err(error);
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SMALL: Limits = Limits {
        bytes: 100,
        nodes: 5,
        depth: 3,
    };

    #[test]
    fn what_fits_is_read_as_it_was_written() {
        let text = r#"{"a": [1, -2.5e3, "x\u0001y"], "b": null}"#;
        let limits = Limits { nodes: 6, ..SMALL };
        assert_eq!(
            parse(text, limits).unwrap(),
            json!({"a": [1, -2500.0, "x\u{1}y"], "b": null})
        );
        assert_eq!(parse_bytes(text.as_bytes(), limits), parse(text, limits));
    }

    /// All of a document but what is in `a` besides `b`.
    const SOME: Kept = Kept {
        members: &[(
            "a",
            Kept {
                members: &[("b", Kept::ALL)],
                others: false,
            },
        )],
        others: true,
    };

    #[test]
    fn what_is_left_out_is_not_there() {
        let text = br#"{"a": {"x": [1, {"y": "z"}], "b": {"x": 1}}, "c": {"x": [2]}}"#;
        let limits = Limits {
            nodes: 20,
            depth: 4,
            bytes: 100,
        };
        assert_eq!(
            parse_some(text, limits, SOME).unwrap(),
            json!({"a": {"b": {"x": 1}}, "c": {"x": [2]}})
        );
        // It keeps its type where it is another one.
        for text in [
            "{\"a\":7}",
            "{\"a\":[1,{\"x\":2}]}",
            "{\"a\":\"x\"}",
            "[{\"a\":{\"x\":1}}]",
        ] {
            assert_eq!(parse_some(text.as_bytes(), limits, SOME), parse(text, limits));
        }
    }

    #[test]
    fn what_is_left_out_is_within_the_limits() {
        for (text, wanted) in [
            (r#"{"a":{"x":[1,2,3]}}"#, "holds more than 5 values"),
            (r#"{"a":{"x":[[]]}}"#, "is nested more than 3 levels deep"),
            (r#"{"a":{"x":[nonsense]}}"#, "is not valid JSON"),
            (r#"{"a":{"x":1,}}"#, "is not valid JSON"),
            (r#"{"a":{"b":1,"b":2}}"#, "has the member \"b\" twice"),
        ] {
            let error = parse_some(text.as_bytes(), SMALL, SOME).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }

    #[test]
    fn each_limit_is_reached_and_not_exceeded() {
        let long = |bytes: usize| format!("{:?}", "x".repeat(bytes - 2));
        for (text, wanted) in [
            (long(100), Ok(())),
            (long(101), Err(TooMuch::Bytes(100))),
            ("[1,2,3,4]".into(), Ok(())),
            ("[1,2,3,4,5]".into(), Err(TooMuch::Nodes(5))),
            (
                r#"{"a":1,"b":2,"c":3,"d":4,"e":5}"#.into(),
                Err(TooMuch::Nodes(5)),
            ),
            ("[[[]]]".into(), Ok(())),
            (r#"[{"a":[{}]}]"#.into(), Err(TooMuch::Depth(3))),
            ("[[[[1]]]]".into(), Err(TooMuch::Depth(3))),
        ] {
            let read = parse(&text, SMALL).map(|_| ());
            assert_eq!(read, wanted.map_err(ReadError::from), "{text}");
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(SMALL.check(&value), wanted, "{text}");
        }
    }

    #[test]
    fn a_limit_is_found_before_the_rest_is_read() {
        // What follows is not JSON, and is not looked at.
        assert_eq!(parse("[1,2,3,4,5,!", SMALL), Err(TooMuch::Nodes(5).into()));
        assert_eq!(parse("[[[[!", SMALL), Err(TooMuch::Depth(3).into()));
    }

    #[test]
    fn a_hundred_thousand_brackets_do_not_overflow_the_stack() {
        let wide = Limits {
            bytes: 1 << 20,
            nodes: usize::MAX,
            depth: usize::MAX,
        };
        let read = parse(&"[".repeat(100_000), wide);
        assert_eq!(read, Err(TooMuch::Depth(MAX_DEPTH).into()));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_with_its_place() {
        let error = parse("{\"spec\": [{\"x/y\": {\"a\": 1,\n\"a\": 1}}]}", Limits::STEP).unwrap_err();
        let wanted = ReadError::Duplicate {
            at: "/spec/0/x~1y".into(),
            name: "a".into(),
            line: 2,
            column: 3,
        };
        assert_eq!(error, wanted);
        assert_eq!(error.to_string(), "has the member \"a\" twice at line 2 column 3");
        // The same name by another spelling.
        assert!(parse(r#"{"a": 1, "\u0061": 2}"#, Limits::STEP).is_err());
    }

    #[test]
    fn mistakes_in_the_syntax_say_where() {
        for (text, wanted) in [
            (
                &b"{\"a\":\n nul}"[..],
                "is not valid JSON: expected ident at line 2 column 5",
            ),
            (
                b"1 2",
                "is not valid JSON: trailing characters at line 1 column 3",
            ),
            (
                b"",
                "is not valid JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                b"[1,\n\"\xff\"]",
                "is not valid JSON: text that is not UTF-8 at line 2 column 2",
            ),
            (
                b"1e999",
                "is not valid JSON: number out of range at line 1 column 5",
            ),
        ] {
            assert_eq!(parse_bytes(text, SMALL).unwrap_err().to_string(), wanted);
        }
    }

    #[test]
    fn integers_are_kept_to_64_bits_and_rounded_beyond() {
        let read = |text: &str| parse(text, SMALL).unwrap();
        assert_eq!(read("-9223372036854775808"), json!(i64::MIN));
        assert_eq!(read("18446744073709551615"), json!(u64::MAX));
        assert_eq!(read("18446744073709551616"), json!(18_446_744_073_709_551_616.0));
        assert_eq!(read("-9223372036854775809"), json!(-9_223_372_036_854_775_808.0));
        // Numbers round-trip: the nearest double, not one beside it.
        assert_eq!(read("122.416294033786585").to_string(), "122.41629403378658");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        scalar.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(crate::seeds::fixed(1, 500))]

        #[test]
        fn what_is_read_under_limits_is_what_serde_json_reads(value in any_json()) {
            prop_assert_eq!(parse(&value.to_string(), Limits::STEP), Ok(value));
        }

        #[test]
        fn reading_and_checking_agree_on_every_limit(value in any_json(), nodes in 0_usize..20, depth in 0_usize..5) {
            let text = value.to_string();
            let limits = Limits { bytes: text.len(), nodes, depth };
            prop_assert_eq!(parse(&text, limits).is_ok(), limits.check(&value).is_ok());
            let limits = Limits { bytes: text.len() - 1, ..Limits::STEP };
            prop_assert_eq!(limits.check(&value), Err(TooMuch::Bytes(text.len() - 1)));
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}",:0-9a\\ue.+-]{0,40}"#) {
            let plain = serde_json::from_str::<Value>(&text);
            match parse(&text, Limits::STEP) {
                Ok(value) => prop_assert_eq!(plain.unwrap(), value),
                Err(ReadError::Syntax { .. }) => prop_assert!(plain.is_err()),
                // A member that stands twice, before any mistake in the syntax.
                Err(_) => {}
            }
        }
    }
}
