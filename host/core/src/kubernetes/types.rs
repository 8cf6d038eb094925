//! How the table of the Kubernetes API is written: types, fields, kinds of values.

/// A type of the Kubernetes API.
#[derive(Debug)]
pub struct Type {
    /// Its name, such as `PodSpec`.
    pub name: &'static str,
    /// Its fields, sorted by name.
    pub fields: &'static [Field],
}

impl Type {
    /// Finds a field by its name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let index = self.fields.binary_search_by(|field| field.name.cmp(name)).ok()?;
        self.fields.get(index)
    }
}

/// A field of a type.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means that the field is absent or has the zero value of its kind.
    pub presence: Presence,
}

/// What it means that a field is absent or has the zero value of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The API requires the field.
    Required,
    /// A pointer in Go: the zero value is a value, and differs from an absent field.
    Pointer,
    /// A plain value in Go: the zero value and an absent field are the same.
    Plain,
}

impl Field {
    pub(super) const fn required(name: &'static str, kind: Kind) -> Self {
        let presence = Presence::Required;
        Self { name, kind, presence }
    }

    pub(super) const fn pointer(name: &'static str, kind: Kind) -> Self {
        let presence = Presence::Pointer;
        Self { name, kind, presence }
    }

    pub(super) const fn plain(name: &'static str, kind: Kind) -> Self {
        let presence = Presence::Plain;
        Self { name, kind, presence }
    }
}

/// What a field holds.
#[derive(Debug)]
pub enum Kind {
    /// Text.
    String,
    /// A boolean.
    Bool,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A quantity of a resource: `100m`, `1Gi`, or a number.
    Quantity,
    /// A whole number of 32 bits, or text.
    IntOrString,
    /// A time as text.
    Time,
    /// Anything.
    Any,
    /// A map from any text to values of one kind.
    Map(&'static Self),
    /// A list.
    List {
        /// What its items are.
        item: &'static Self,
        /// The fields that identify an item; none where its place does.
        keys: &'static [&'static str],
    },
    /// An object.
    Object(&'static Type),
}
