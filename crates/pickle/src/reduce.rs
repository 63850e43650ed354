//! Globals and their calls. Calls that create built-in containers or bytes are evaluated, all other
//! calls are recorded as objects.

use crate::globals::{Constructor, find_constructor};
use crate::node::{Id, Node};
use crate::unpickler::Unpickler;
use crate::{Error, Result, malformed, string};

/// Maximum length of a global's name in bytes.
const MAX_GLOBAL_LEN: usize = 1024;

impl Unpickler {
    /// Executes `GLOBAL`, which imports nothing.
    pub fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let length = check_global_len(module, name)?;
        // A short pickle can refer to one name any number of times.
        self.charge_bytes(length)?;
        self.push(Node::Global(format!("{module}.{name}").into()))
    }

    /// Executes `STACK_GLOBAL`.
    pub fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        let (Node::Str(module), Node::Str(name)) = (self.nodes.get(module), self.nodes.get(name))
        else {
            return malformed("the name of a global is not a str");
        };
        // Before the strings are copied.
        check_global_len(module, name)?;
        let (module, name) = (module.clone(), name.clone());
        self.global(&module, &name)
    }

    /// Executes `REDUCE` and `NEWOBJ`.
    pub fn reduce(&mut self) -> Result<()> {
        let arguments = self.stack.pop()?;
        let callee = self.stack.pop()?;
        self.call(callee, arguments)
    }

    /// Executes `NEWOBJ_EX`. Keyword arguments are ignored.
    pub fn newobj_ex(&mut self) -> Result<()> {
        let keywords = self.stack.pop()?;
        match self.nodes.get(keywords) {
            Node::Dict(pairs) if pairs.is_empty() => self.reduce(),
            Node::Dict(_) => {
                let arguments = self.stack.pop()?;
                let callee = self.stack.pop()?;
                self.push(Node::Object { callee, arguments, state: None, entries: None })
            }
            _ => malformed("the keyword arguments of a call are not a dict"),
        }
    }

    /// Executes `INST`.
    pub fn inst(&mut self, module: &str, name: &str) -> Result<()> {
        let arguments = self.stack.pop_mark()?;
        self.global(module, name)?;
        self.push(Node::Tuple(arguments))?;
        self.reduce()
    }

    /// Executes `OBJ`.
    pub fn obj(&mut self) -> Result<()> {
        let mut items = self.stack.pop_mark()?;
        if items.is_empty() {
            return malformed("OBJ has no class");
        }
        let callee = items.remove(0);
        self.push(Node::Tuple(items))?;
        let arguments = self.stack.pop()?;
        self.call(callee, arguments)
    }

    /// Executes `BUILD`: records the state of an object. Attributes of other values are ignored,
    /// such as `_metadata`, which PyTorch sets on state dicts.
    pub fn build(&mut self) -> Result<()> {
        let new_state = self.stack.pop()?;
        let top = self.stack.top()?;
        if let Node::Object { .. } = self.nodes.get(top) {
            self.nodes.add_child(top, new_state)?;
        }
        if let Node::Object { state, .. } = self.nodes.get_mut(top) {
            *state = Some(new_state);
        }
        Ok(())
    }

    /// Pushes the result of calling `callee` with the tuple `arguments`.
    fn call(&mut self, callee: Id, arguments: Id) -> Result<()> {
        let Node::Tuple(args) = self.nodes.get(arguments) else {
            return malformed("the arguments of a call are not a tuple");
        };
        let node = match self.evaluate(callee, args) {
            Some(node) => node,
            None => Node::Object { callee, arguments, state: None, entries: None },
        };
        self.charge_copy(&node)?;
        self.push(node)
    }

    /// Evaluates the call of a constructor; `None` for any other call, and for arguments that the
    /// constructor cannot convert.
    fn evaluate(&self, callee: Id, args: &[Id]) -> Option<Node> {
        let Node::Global(name) = self.nodes.get(callee) else { return None };
        Some(match find_constructor(name)? {
            Constructor::Dict => Node::Dict(self.dict_argument(args.first())?),
            Constructor::DefaultDict => Node::Dict(self.dict_argument(args.get(1))?),
            Constructor::List => Node::List(self.items_argument(args.first())?),
            Constructor::Tuple => Node::Tuple(self.items_argument(args.first())?),
            Constructor::Set => Node::Set(self.items_argument(args.first())?),
            Constructor::Encode => Node::Bytes(self.encode(args)?),
            Constructor::Bytes => Node::Bytes(self.bytes_argument(args)?),
        })
    }

    /// Returns the items of a container argument; no items if the argument is missing.
    fn items_argument(&self, argument: Option<&Id>) -> Option<Vec<Id>> {
        match argument.map(|id| self.nodes.get(*id)) {
            None => Some(Vec::new()),
            Some(Node::List(items) | Node::Tuple(items) | Node::Set(items)) => Some(items.clone()),
            Some(_) => None,
        }
    }

    /// Returns the entries of a dict argument, which is a dict or contains pairs.
    fn dict_argument(&self, argument: Option<&Id>) -> Option<Vec<(Id, Id)>> {
        if let Some(Node::Dict(pairs)) = argument.map(|id| self.nodes.get(*id)) {
            return Some(pairs.clone());
        }
        self.items_argument(argument)?.iter().map(|&pair| self.pair(pair)).collect()
    }

    fn pair(&self, id: Id) -> Option<(Id, Id)> {
        match self.nodes.get(id) {
            Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Some((pair[0], pair[1])),
            _ => None,
        }
    }

    /// Evaluates `_codecs.encode` with the encoding Latin-1.
    fn encode(&self, args: &[Id]) -> Option<Vec<u8>> {
        match self.argument_nodes(args)[..] {
            [Node::Str(text), Node::Str(encoding)]
                if matches!(encoding.as_str(), "latin1" | "latin-1") =>
            {
                string::to_latin_1(text)
            }
            _ => None,
        }
    }

    /// Evaluates `bytes` and `bytearray`.
    fn bytes_argument(&self, args: &[Id]) -> Option<Vec<u8>> {
        match self.argument_nodes(args)[..] {
            [] => Some(Vec::new()),
            [Node::Bytes(bytes)] => Some(bytes.clone()),
            [Node::Str(text), Node::Str(_encoding)] => string::to_latin_1(text),
            _ => None,
        }
    }

    /// Returns the nodes of the first three arguments. Evaluated calls that create bytes have at most
    /// two.
    fn argument_nodes(&self, args: &[Id]) -> Vec<&Node> {
        args.iter().take(3).map(|id| self.nodes.get(*id)).collect()
    }

    /// Counts a copied value against the limits. Otherwise, a short pickle could copy a large value
    /// any number of times.
    fn charge_copy(&mut self, node: &Node) -> Result<()> {
        match node {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
                self.stack.charge(items.len());
            }
            Node::Dict(pairs) => self.stack.charge(2 * pairs.len()),
            Node::Bytes(bytes) => self.charge_bytes(bytes.len())?,
            _ => {}
        }
        Ok(())
    }

    fn charge_bytes(&mut self, count: usize) -> Result<()> {
        self.copied_bytes += count;
        if self.copied_bytes > self.limits.bytes {
            Err(Error::LimitExceeded(format!("copies have {} bytes", self.copied_bytes)))
        } else {
            Ok(())
        }
    }
}

/// Returns the length of the name `module.name` in bytes.
///
/// # Errors
/// [`Error::LimitExceeded`] if the name is longer than [`MAX_GLOBAL_LEN`].
fn check_global_len(module: &str, name: &str) -> Result<usize> {
    let length = module.len() + name.len() + 1;
    if length > MAX_GLOBAL_LEN {
        return Err(Error::LimitExceeded(format!("a global has a name of {length} bytes")));
    }
    Ok(length)
}
