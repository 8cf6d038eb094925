//! Values of flags as Go's command lines read them, so that what works with kubectl works here.
//!
//! Source: the behaviour of spf13/pflag and of Go's strconv, as kubectl shows it.

use std::str::FromStr;

use clap::builder::{TypedValueParser as _, ValueParserFactory};

/// A boolean flag: `-i`, `-i=true`, `--stdin=0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switch(pub(crate) bool);

impl FromStr for Switch {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        match typed {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Self(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Self(false)),
            other => Err(format!("strconv.ParseBool: parsing {other:?}: invalid syntax")),
        }
    }
}

impl ValueParserFactory for Switch {
    type Parser = clap::builder::ValueParser;

    fn value_parser() -> Self::Parser {
        clap::builder::StringValueParser::new()
            .try_map(|typed: String| typed.parse::<Self>())
            .into()
    }
}

/// Reads one value of a `key=value` flag, which may hold several pairs.
///
/// With one `=` the rest is the value, commas and all; with more of them, commas separate pairs as in CSV.
pub(crate) fn pairs(typed: &str) -> Result<Vec<(String, String)>, String> {
    let malformed = |item: &str| format!("{item} must be formatted as key=value");
    let items = match typed.matches('=').count() {
        0 => return Err(malformed(typed)),
        1 => vec![typed.trim_matches('"').to_owned()],
        _ => csv_fields(typed)?,
    };
    items
        .into_iter()
        .map(|item| match item.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(malformed(&item)),
        })
        .collect()
}

/// The fields of one CSV record.
fn csv_fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let field;
        match rest.strip_prefix('"') {
            Some(quoted) => (field, rest) = quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err(format!("bare \" in {:?}", &rest[..end]));
                }
                field = rest[..end].to_owned();
                rest = &rest[end..];
            }
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok(fields),
        }
    }
}

/// A field up to its closing quote, and what stands after it.
fn quoted_field(quoted: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = quoted;
    while let Some(quote) = rest.find('"') {
        field.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.as_bytes().first() {
            Some(b'"') => {
                field.push('"');
                rest = &rest[1..];
            }
            None | Some(b',') => return Ok((field, rest)),
            Some(_) => return Err(format!("extraneous or missing \" in {quoted:?}")),
        }
    }
    Err(format!("extraneous or missing \" in {quoted:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> Result<String, String> {
        let read = pairs(typed)?;
        Ok(read
            .iter()
            .map(|(key, value)| format!("[{key}|{value}]"))
            .collect())
    }

    #[test]
    fn pairs_are_read_as_pflag_reads_them() {
        for (typed, wanted) in [
            ("A=1", Ok("[A|1]")),
            ("A=1,2", Ok("[A|1,2]")),
            ("A=1,B=2", Ok("[A|1][B|2]")),
            ("URL=http://x/?a=b", Ok("[URL|http://x/?a=b]")),
            ("A=", Ok("[A|]")),
            ("\"A=x y\"", Ok("[A|x y]")),
            ("\"A=1,2\",B=3", Ok("[A|1,2][B|3]")),
            ("\"A=say \"\"hi\"\"\",B=3", Ok("[A|say \"hi\"][B|3]")),
            ("NOPE", Err("NOPE must be formatted as key=value")),
            ("A=1,B=2,C", Err("C must be formatted as key=value")),
            ("", Err(" must be formatted as key=value")),
        ] {
            let wanted = wanted.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read(typed), wanted, "{typed}");
        }
        assert!(read("A=\"1,B=2").is_err());
        assert!(read("\"A=1,B=2").is_err());
    }
}
