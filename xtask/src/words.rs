//! Words that this project does not use: those that a reader of the field stumbles over. Each with what to write instead.

use std::path::Path;

/// Words of any text: prose, comments, messages.
const PROSE: [(&str, &str); 8] = [
    ("nobody", "no user, no client, or the passive"),
    ("somebody", "a user, a client, another program"),
    ("whoever", "the user, the caller, the owner"),
    ("whom", "which user, or another order of words"),
    ("surroundings", "context, environment"),
    ("for ever", "forever"),
    ("in the place of", "instead of"),
    ("anew", "again"),
];

/// Names in code that say nothing to its reader.
const NAMES: [(&str, &str); 10] = [
    ("Telling", "Subscription"),
    ("Company", "SessionContext"),
    ("Front", "TerminalOutput"),
    ("Said", "PodWarning"),
    ("ManifestLies", "ManifestMismatch"),
    ("Surroundings", "context"),
    ("MOST_", "MAX_"),
    ("LARGEST_", "MAX_"),
    ("LONGEST_", "MAX_"),
    ("NOBODY_", "what happens instead"),
];

/// The contract is not in these words: its bytes are its identity.
const CONTRACT: &str = "guest-sdk/wit";

/// What a file says in such words, a line for each.
pub(crate) fn problems(file: &Path, text: &str) -> Vec<String> {
    let is_left_out = file.starts_with(CONTRACT) || file.ends_with("words.rs");
    if is_left_out {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for instead in in_line(line, file.extension().is_some_and(|extension| extension == "rs")) {
            problems.push(format!("{}:{}: {instead}", file.display(), number + 1));
        }
    }
    problems
}

fn in_line(line: &str, is_code: bool) -> Vec<String> {
    let lower = line.to_lowercase();
    let mut found: Vec<String> = PROSE
        .iter()
        .filter(|(word, _)| has_word(&lower, word))
        .map(|(word, instead)| format!("{word:?}: write {instead}"))
        .collect();
    if says_is_no(&lower) {
        found.push("\"is no\": write \"is not a\"".to_owned());
    }
    if is_code {
        let named = NAMES.iter().filter(|(name, _)| has_name(line, name));
        found.extend(named.map(|(name, instead)| format!("{name:?}: write {instead}")));
    }
    found
}

/// "is no container", but not "there is no container", nor "is no longer".
fn says_is_no(line: &str) -> bool {
    ["is no ", "are no ", "was no ", "were no "].iter().any(|verb| {
        line.match_indices(verb).any(|(at, _)| {
            let (before, after) = (line[..at].trim_end(), &line[at + verb.len()..]);
            let is_word = line[..at].is_empty() || line[..at].ends_with(' ');
            let is_fine = ["there", "where", "such"]
                .iter()
                .any(|word| before.ends_with(word))
                || ["longer", "more", "other", "different"]
                    .iter()
                    .any(|word| after.starts_with(word));
            is_word && !is_fine
        })
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !ends_with_letter(&line[..at])
            && !line[at + word.len()..].starts_with(|letter: char| letter.is_alphanumeric())
    })
}

/// A name, or the beginning of one where it ends with an underscore.
fn has_name(line: &str, name: &str) -> bool {
    let code = line.trim_start();
    !code.starts_with("//")
        && if name.ends_with('_') {
            line.match_indices(name)
                .any(|(at, _)| !ends_with_letter(&line[..at]))
        } else {
            has_word(line, name)
        }
}

fn ends_with_letter(text: &str) -> bool {
    text.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_and_those_that_hold_them_are_not() {
        assert_eq!(in_line("/// Whoever reads this.", true).len(), 1);
        assert_eq!(in_line("which is no container of the pod", false).len(), 1);
        assert!(in_line("there is no pod, and it is no longer than this", false).is_empty());
        assert_eq!(in_line("const MOST_ROUNDS: usize = 10;", true).len(), 1);
        assert!(in_line("Frontend, ALMOST_ALL", true).is_empty());
    }
}
