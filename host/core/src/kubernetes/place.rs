//! Places in a document, kept on the stack and written out only when there is something to report.

use trocar_sdk::diagnostic::pointer;

/// How many letters of a field's name a place shows: a name can be as long as its document.
const MAX_SHOWN: usize = 80;

#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The document itself.
    Root,
    /// A field of an object, or an entry of a map.
    Field(&'a Self, &'a str),
    /// An item of a list.
    Item(&'a Self, usize),
}

impl<'a> Place<'a> {
    pub(super) fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub(super) fn item(&'a self, index: usize) -> Self {
        Self::Item(self, index)
    }

    /// Writes the place as an RFC 6901 pointer. Long names are cut.
    pub(super) fn pointer(&self) -> String {
        let mut parts = Vec::new();
        let mut place = self;
        loop {
            place = match place {
                Self::Root => break,
                Self::Field(parent, name) => {
                    parts.push(cut(name));
                    parent
                }
                Self::Item(parent, index) => {
                    parts.push(index.to_string());
                    parent
                }
            };
        }
        pointer(parts.iter().rev())
    }
}

/// The beginning of a name.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(MAX_SHOWN).collect()
}
