//! The values of a pickle as a table of nodes. Nodes refer to each other by index, so nested,
//! shared and recursive values are built and freed without recursion.

use crate::{Error, Result};

/// Index of a node in its table.
pub(crate) type Id = u32;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i128),
    /// An int of more than 128 bits, without its value.
    LargeInt,
    Float(f64),
    Bytes(Vec<u8>),
    Str(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Set(Vec<Id>),
    /// `module.name`.
    Global(Box<str>),
    /// Call that is not executed.
    Object {
        /// The called value, usually a global.
        callee: Id,
        arguments: Id,
        /// Argument of `BUILD`.
        state: Option<Id>,
        /// Dict of the entries that were set, if the object is of a subclass of dict.
        entries: Option<Id>,
    },
    /// Reference to an object outside the pickle, by its persistent id.
    Persistent(Id),
}

/// Node table that limits the nesting depth.
pub(crate) struct NodeTable {
    nodes: Vec<Node>,
    /// Lower bound of the nesting depth of each node.
    depths: Vec<u16>,
    max_depth: u16,
}

impl NodeTable {
    pub fn new(max_depth: u16) -> Self {
        NodeTable { nodes: Vec::new(), depths: Vec::new(), max_depth }
    }

    pub fn get(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub fn get_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    pub fn insert(&mut self, node: Node) -> Result<Id> {
        let depth_of = |id: &Id| self.depths[*id as usize];
        let max_child_depth = match &node {
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) => ids.iter().map(depth_of).max(),
            Node::Dict(pairs) => {
                pairs.iter().map(|(key, value)| depth_of(key).max(depth_of(value))).max()
            }
            Node::Object { callee, arguments, .. } => {
                Some(depth_of(callee).max(depth_of(arguments)))
            }
            Node::Persistent(id) => Some(depth_of(id)),
            Node::None
            | Node::Bool(_)
            | Node::Int(_)
            | Node::LargeInt
            | Node::Float(_)
            | Node::Bytes(_)
            | Node::Str(_)
            | Node::Global(_) => None,
        };
        let depth = max_child_depth.map_or(0, |depth| depth.saturating_add(1));
        self.check_depth(depth)?;
        let id = self.nodes.len() as Id;
        self.nodes.push(node);
        self.depths.push(depth);
        Ok(id)
    }

    /// Updates the depth of `parent`, which now contains `child`.
    pub fn add_child(&mut self, parent: Id, child: Id) -> Result<()> {
        let depth = self.depths[child as usize].saturating_add(1);
        self.check_depth(depth)?;
        let parent_depth = &mut self.depths[parent as usize];
        *parent_depth = depth.max(*parent_depth);
        Ok(())
    }

    fn check_depth(&self, depth: u16) -> Result<()> {
        if depth > self.max_depth { Err(too_deep(self.max_depth)) } else { Ok(()) }
    }
}

/// Returns the error for values or marks that are nested deeper than `max_depth`.
pub(crate) fn too_deep(max_depth: u16) -> Error {
    Error::LimitExceeded(format!("nesting is deeper than {max_depth}"))
}
