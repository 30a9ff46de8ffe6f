//! What values a field takes.

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldType {
    /// The innermost type.
    pub base: Base,
    /// `Some` for lists; whether the elements are non-null.
    pub list: Option<ElementsRequired>,
    /// For lists of lists: whether the elements of the inner lists are non-null, from the outside in.
    pub inner: Vec<ElementsRequired>,
    /// Whether the field (the list itself, for lists) is non-null.
    pub required: bool,
}

impl FieldType {
    /// A type without lists.
    #[must_use]
    pub fn single(base: Base, required: bool) -> FieldType {
        FieldType {
            base,
            list: None,
            inner: Vec::new(),
            required,
        }
    }

    /// A required scalar.
    #[must_use]
    pub fn required(scalar: Scalar) -> FieldType {
        FieldType::single(Base::Scalar(scalar), true)
    }

    /// Whether the elements of each list are non-null, from the outside in; nothing for single values.
    pub fn lists(&self) -> impl Iterator<Item = ElementsRequired> {
        self.list.into_iter().chain(self.inner.iter().copied())
    }

    /// The type as GraphQL writes it, with a name for its innermost type.
    #[must_use]
    pub fn written(&self, base: &str) -> String {
        let bang = |required: bool| if required { "!" } else { "" };
        let mut levels = vec![self.required];
        levels.extend(self.lists().map(|elements| elements.0));
        let innermost = levels.pop().unwrap_or_default();
        let mut text = format!("{base}{}", bang(innermost));
        for required in levels.into_iter().rev() {
            text = format!("[{text}]{}", bang(required));
        }
        text
    }
}

/// Whether the elements of a list are non-null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementsRequired(pub bool);

/// The innermost type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A built-in or AWS scalar.
    Scalar(Scalar),
    /// An enum of the schema.
    Enum(String),
    /// A nested type of the schema.
    Object(String),
    /// A model: a relation, a field that is always null, or what a hand-written operation returns.
    Model(String),
    /// An interface or a union of the schema.
    Abstract(String),
}

impl Base {
    /// The type's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Base::Scalar(scalar) => scalar.name(),
            Base::Enum(name) | Base::Object(name) | Base::Model(name) | Base::Abstract(name) => {
                name
            }
        }
    }
}

/// The scalars AppSync knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is AppSync's scalar of that name")]
pub enum Scalar {
    Id,
    String,
    Int,
    Float,
    Boolean,
    AwsDate,
    AwsTime,
    AwsDateTime,
    AwsTimestamp,
    AwsJson,
    AwsEmail,
    AwsUrl,
    AwsPhone,
    AwsIpAddress,
}

impl Scalar {
    /// Every scalar, built-in ones first.
    pub const ALL: [Scalar; 14] = [
        Scalar::Id,
        Scalar::String,
        Scalar::Int,
        Scalar::Float,
        Scalar::Boolean,
        Scalar::AwsDate,
        Scalar::AwsTime,
        Scalar::AwsDateTime,
        Scalar::AwsTimestamp,
        Scalar::AwsJson,
        Scalar::AwsEmail,
        Scalar::AwsUrl,
        Scalar::AwsPhone,
        Scalar::AwsIpAddress,
    ];

    /// Its name in GraphQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scalar::Id => "ID",
            Scalar::String => "String",
            Scalar::Int => "Int",
            Scalar::Float => "Float",
            Scalar::Boolean => "Boolean",
            Scalar::AwsDate => "AWSDate",
            Scalar::AwsTime => "AWSTime",
            Scalar::AwsDateTime => "AWSDateTime",
            Scalar::AwsTimestamp => "AWSTimestamp",
            Scalar::AwsJson => "AWSJSON",
            Scalar::AwsEmail => "AWSEmail",
            Scalar::AwsUrl => "AWSURL",
            Scalar::AwsPhone => "AWSPhone",
            Scalar::AwsIpAddress => "AWSIPAddress",
        }
    }

    /// The scalar of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Scalar> {
        Scalar::ALL.into_iter().find(|scalar| scalar.name() == name)
    }

    /// Whether values are JSON numbers.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Scalar::Int | Scalar::Float | Scalar::AwsTimestamp)
    }
}
