//! Read access to the values of a pickle.

use crate::node::{Id, Node};
use crate::printable;

/// Maximum length of a Python 2 byte string that is read as a str. Each access validates the UTF-8,
/// and a pickle can refer to one string a million times.
const MAX_STR_BYTES: usize = 4096;
/// Maximum number of arguments of a recorded call. No supported global has more.
const MAX_ARGUMENTS: usize = 16;

/// Parsed pickle.
#[derive(Debug, Clone)]
pub struct Pickle {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Id,
}

impl Pickle {
    pub fn root(&self) -> Value<'_> {
        Value { pickle: self, id: self.root }
    }

    /// Returns the persistent ids of all references to objects outside the pickle.
    pub fn persistent_ids(&self) -> impl Iterator<Item = Value<'_>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Persistent(id) => Some(Value { pickle: self, id: *id }),
            _ => None,
        })
    }
}

/// Value of a pickle. A value may contain itself, so a traversal must limit its depth.
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

    /// Returns a byte string, including Python 2 strings.
    pub fn as_bytes(self) -> Option<&'p [u8]> {
        match self.node() {
            Node::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a str, or a Python 2 byte string that is UTF-8 and at most 4,096 bytes long.
    pub fn as_str(self) -> Option<&'p str> {
        match self.node() {
            Node::Str(text) => Some(text),
            Node::Bytes(bytes) if bytes.len() <= MAX_STR_BYTES => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Returns the items of a list or tuple.
    pub fn as_items(self) -> Option<impl ExactSizeIterator<Item = Value<'p>>> {
        match self.node() {
            Node::List(items) | Node::Tuple(items) => {
                Some(items.iter().map(move |&id| self.at(id)))
            }
            _ => None,
        }
    }

    /// Returns the items of a set.
    pub fn as_set(self) -> Option<impl ExactSizeIterator<Item = Value<'p>>> {
        match self.node() {
            Node::Set(items) => Some(items.iter().map(move |&id| self.at(id))),
            _ => None,
        }
    }

    /// Returns the entries of a dict, or of an object of a subclass of dict, in insertion order. If a
    /// key is repeated, its last entry is valid.
    pub fn as_dict(
        self,
    ) -> Option<impl DoubleEndedIterator<Item = (Value<'p>, Value<'p>)> + ExactSizeIterator> {
        let dict = match self.node() {
            Node::Object { entries: Some(entries), .. } => self.at(*entries).node(),
            node => node,
        };
        match dict {
            Node::Dict(pairs) => {
                Some(pairs.iter().map(move |&(key, value)| (self.at(key), self.at(value))))
            }
            _ => None,
        }
    }

    /// Returns the value of a str key of a dict; see [`Value::as_str`].
    pub fn get(self, key: &str) -> Option<Value<'p>> {
        let entries = &mut self.as_dict()?.rev();
        entries.find(|(entry_key, _)| entry_key.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Returns the name of a global, such as `torch.FloatStorage`.
    pub fn as_global(self) -> Option<&'p str> {
        match self.node() {
            Node::Global(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the global and the arguments of a recorded call with at most 16 arguments.
    pub fn as_object(self) -> Option<(&'p str, Vec<Value<'p>>)> {
        match self.node() {
            Node::Object { callee, arguments, .. } => {
                let arguments = self.at(*arguments).as_items()?;
                let arguments = (arguments.len() <= MAX_ARGUMENTS).then(|| arguments.collect())?;
                Some((self.at(*callee).as_global()?, arguments))
            }
            _ => None,
        }
    }

    /// Returns the state that `BUILD` sets on an object.
    pub fn state(self) -> Option<Value<'p>> {
        match self.node() {
            Node::Object { state, .. } => state.map(|id| self.at(id)),
            _ => None,
        }
    }

    /// Returns the persistent id of a reference to an object outside the pickle.
    pub fn as_persistent_id(self) -> Option<Value<'p>> {
        match self.node() {
            Node::Persistent(id) => Some(self.at(*id)),
            _ => None,
        }
    }

    /// Describes the type of the value, for messages.
    pub fn describe(self) -> String {
        match self.node() {
            Node::None => "None".into(),
            Node::Bool(_) => "a bool".into(),
            Node::Int(_) | Node::LargeInt => "an int".into(),
            Node::Float(_) => "a float".into(),
            Node::Bytes(_) => "bytes".into(),
            Node::Str(_) => "a str".into(),
            Node::List(_) => "a list".into(),
            Node::Tuple(_) => "a tuple".into(),
            Node::Dict(_) => "a dict".into(),
            Node::Set(_) => "a set".into(),
            Node::Global(name) => format!("the global {}", printable(name)),
            Node::Object { callee, .. } => match self.at(*callee).as_global() {
                Some(name) => format!("a call of {}", printable(name)),
                None => "a call of a computed function".into(),
            },
            Node::Persistent(_) => "a persistent reference".into(),
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}
