//! Looking for what stands in a text that is not parsed.

/// What stands behind each occurrence of `place`, up to the first letter that ends it.
pub(crate) fn behind<'a, Ends: Fn(char) -> bool>(
    text: &'a str,
    place: &str,
    ends: Ends,
) -> impl Iterator<Item = &'a str> + use<'a, Ends> {
    let starts: Vec<usize> = text
        .match_indices(place)
        .map(|(at, found)| at + found.len())
        .collect();
    starts
        .into_iter()
        .filter_map(move |start| text[start..].split(&ends).next())
}
