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
        // pflag reads CSV only where there is more than one `=`, and trims quotes otherwise.
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

/// The fields of one CSV record. Of several lines kubectl reads the first and drops the others without a word; they are
/// refused here.
fn csv_fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let field;
        match rest.strip_prefix('"') {
            Some(quoted) => (field, rest) = quoted_field(quoted, text)?,
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                if let Some(quote) = rest[..end].find('"') {
                    return Err(csv_error(text, &rest[quote..], "bare \" in non-quoted-field"));
                }
                field = rest[..end].trim_end_matches('\r').to_owned();
                rest = &rest[end..];
            }
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.trim_end_matches(['\r', '\n']).is_empty() => return Ok(fields),
            None => {
                return Err(
                    "several pairs must stand on one line; a value of several lines needs quotes".into(),
                );
            }
        }
    }
}

/// A field up to its closing quote, and what stands after it.
fn quoted_field<'a>(quoted: &'a str, text: &str) -> Result<(String, &'a str), String> {
    let mut field = String::new();
    let mut rest = quoted;
    while let Some(quote) = rest.find('"') {
        field.push_str(&rest[..quote]);
        let closing = &rest[quote..];
        rest = &rest[quote + 1..];
        match rest.as_bytes().first() {
            Some(b'"') => {
                field.push('"');
                rest = &rest[1..];
            }
            None | Some(b',' | b'\n') => return Ok((field, rest)),
            Some(_) => return Err(csv_error(text, closing, QUOTES)),
        }
    }
    Err(csv_error(text, "", QUOTES))
}

const QUOTES: &str = "extraneous or missing \" in quoted-field";

/// A mistake at the place where the rest of the text begins, as Go's reader words it.
fn csv_error(text: &str, rest: &str, problem: &str) -> String {
    let before = &text[..text.len() - rest.len()];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
    format!("parse error on line {line}, column {column}: {problem}")
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
        for (typed, wanted) in [
            ("A=\"1\",B=2", "line 1, column 3: bare \" in non-quoted-field"),
            ("\"A=1\"x,B=2", "line 1, column 5: extraneous or missing \""),
            ("B=2,\"A=1", "line 1, column 9: extraneous or missing \""),
            ("A=1\nB=2", "on one line"),
        ] {
            let error = read(typed).unwrap_err();
            assert!(error.contains(wanted), "{typed}: {error}");
        }
        assert_eq!(read("\"A=1\n2\",B=3").unwrap(), "[A|1\n2][B|3]");
    }
}
