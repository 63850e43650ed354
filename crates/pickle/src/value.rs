//! What a pickle holds.

/// A node's place in its table.
pub(crate) type Id = u32;

/// Of Python 2's byte strings, no longer one is taken for a text. A pickle may say one string a
/// million times, and each time it would be looked through.
const LONGEST_TEXT: usize = 4096;
/// No call that anybody makes sense of has more arguments.
const MOST_ARGUMENTS: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Set(Vec<Id>),
    /// `module.name`.
    Global(Box<str>),
    /// What calling a global with arguments would have made; never called.
    Object {
        global: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// Something outside the pickle, by a name that its writer gave it.
    Persistent(Id),
}

/// A pickle that was read.
#[derive(Debug, Clone)]
pub struct Pickle {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Id,
}

impl Pickle {
    pub fn root(&self) -> Value<'_> {
        Value { pickle: self, id: self.root }
    }

    /// The names of everything outside the pickle that it speaks of.
    pub fn persistent(&self) -> impl Iterator<Item = Value<'_>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Persistent(id) => Some(Value { pickle: self, id: *id }),
            _ => None,
        })
    }
}

/// One value of a pickle. A value may hold itself: whoever walks through one must bound how far.
#[derive(Clone, Copy)]
pub struct Value<'p> {
    pickle: &'p Pickle,
    id: Id,
}

impl<'p> Value<'p> {
    fn node(self) -> &'p Node {
        &self.pickle.nodes[self.id as usize]
    }

    fn at(self, id: Id) -> Value<'p> {
        Value { id, ..self }
    }

    pub fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_int(self) -> Option<i128> {
        match self.node() {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_float(self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A byte string; Python 2's texts are such.
    pub fn as_bytes(self) -> Option<&'p [u8]> {
        match self.node() {
            Node::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A text, or one of Python 2's byte strings that is UTF-8 and of 4,096 bytes at most.
    pub fn as_text(self) -> Option<&'p str> {
        match self.node() {
            Node::Text(text) => Some(text),
            Node::Bytes(bytes) if bytes.len() <= LONGEST_TEXT => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The items of a list or a tuple.
    pub fn as_items(self) -> Option<impl ExactSizeIterator<Item = Value<'p>>> {
        match self.node() {
            Node::List(items) | Node::Tuple(items) => {
                Some(items.iter().map(move |&id| self.at(id)))
            }
            _ => None,
        }
    }

    /// The pairs of a dictionary, in the order in which they were put in; a key may come twice, and
    /// then Python knows the later.
    pub fn as_dict(
        self,
    ) -> Option<impl DoubleEndedIterator<Item = (Value<'p>, Value<'p>)> + ExactSizeIterator> {
        match self.node() {
            Node::Dict(pairs) => {
                Some(pairs.iter().map(move |&(key, value)| (self.at(key), self.at(value))))
            }
            _ => None,
        }
    }

    /// What a dictionary has under a text, or under Python 2's text, which is bytes.
    pub fn get(self, key: &str) -> Option<Value<'p>> {
        let pairs = &mut self.as_dict()?.rev();
        pairs.find(|(found, _)| found.as_text() == Some(key)).map(|(_, value)| value)
    }

    /// The name of a class or function: `torch.FloatStorage`.
    pub fn as_global(self) -> Option<&'p str> {
        match self.node() {
            Node::Global(name) => Some(name),
            _ => None,
        }
    }

    /// What calling a function would have made: its name, and the arguments, up to 16.
    pub fn as_object(self) -> Option<(&'p str, Vec<Value<'p>>)> {
        match self.node() {
            Node::Object { global, arguments, .. } => {
                let arguments = self.at(*arguments).as_items()?;
                let arguments = (arguments.len() <= MOST_ARGUMENTS).then(|| arguments.collect())?;
                Some((self.at(*global).as_global()?, arguments))
            }
            _ => None,
        }
    }

    /// What an object was to be filled with after it was made.
    pub fn state(self) -> Option<Value<'p>> {
        match self.node() {
            Node::Object { state, .. } => state.map(|id| self.at(id)),
            _ => None,
        }
    }

    /// The name of something outside the pickle.
    pub fn as_persistent(self) -> Option<Value<'p>> {
        match self.node() {
            Node::Persistent(name) => Some(self.at(*name)),
            _ => None,
        }
    }

    /// What it is, in a few words for a message.
    pub fn what(self) -> String {
        match self.node() {
            Node::None => "None".into(),
            Node::Bool(_) => "a bool".into(),
            Node::Int(_) => "an int".into(),
            Node::Float(_) => "a float".into(),
            Node::Bytes(_) => "bytes".into(),
            Node::Text(_) => "a text".into(),
            Node::List(_) => "a list".into(),
            Node::Tuple(_) => "a tuple".into(),
            Node::Dict(_) => "a dict".into(),
            Node::Set(_) => "a set".into(),
            Node::Global(name) => format!("the name {name}"),
            Node::Object { global, .. } => {
                format!("a call of {}", self.at(*global).as_global().unwrap_or("something"))
            }
            Node::Persistent(_) => "something outside the pickle".into(),
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.what())
    }
}
