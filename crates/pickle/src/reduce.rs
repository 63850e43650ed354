//! Globals and their calls. Calls that create built-in containers or bytes are evaluated, all other
//! calls are recorded as objects.

use crate::globals::{AllowedGlobal, allowed_global};
use crate::node::{Id, Node};
use crate::unpickler::Unpickler;
use crate::{Error, Result, malformed, string};

/// Maximum length of a global's name in a message, in characters.
const MAX_NAME_CHARS: usize = 100;

impl Unpickler {
    /// Executes `GLOBAL`.
    pub fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let full_name = format!("{module}.{name}");
        match allowed_global(module, name) {
            Some(_) => self.push(Node::Global(full_name.into())),
            None => Err(Error::DisallowedGlobal(printable(&full_name))),
        }
    }

    /// Executes `STACK_GLOBAL`.
    pub fn stack_global(&mut self) -> Result<()> {
        let (name, module) = (self.stack.pop()?, self.stack.pop()?);
        match (self.nodes.get(module), self.nodes.get(name)) {
            (Node::Str(module), Node::Str(name)) => {
                let (module, name) = (module.clone(), name.clone());
                self.global(&module, &name)
            }
            _ => malformed("the name of a global is not a str"),
        }
    }

    /// Executes `REDUCE` and `NEWOBJ`.
    pub fn reduce(&mut self) -> Result<()> {
        let arguments = self.stack.pop()?;
        let global = self.stack.pop()?;
        self.call(global, arguments)
    }

    /// Executes `NEWOBJ_EX`, without keyword arguments.
    pub fn newobj_ex(&mut self) -> Result<()> {
        let keywords = self.stack.pop()?;
        match self.nodes.get(keywords) {
            Node::Dict(pairs) if pairs.is_empty() => self.reduce(),
            _ => malformed("calls with keyword arguments are not supported"),
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
        let global = items.remove(0);
        self.push(Node::Tuple(items))?;
        let arguments = self.stack.pop()?;
        self.call(global, arguments)
    }

    /// Executes `BUILD`: records the state of an object. Attributes of built-in containers are
    /// ignored, such as `_metadata`, which PyTorch sets on state dicts.
    pub fn build(&mut self) -> Result<()> {
        let new_state = self.stack.pop()?;
        let top = self.stack.top()?;
        self.nodes.add_child(top, new_state)?;
        match self.nodes.get_mut(top) {
            Node::Object { state, .. } => *state = Some(new_state),
            Node::Dict(_) | Node::List(_) | Node::Set(_) => {}
            _ => return malformed("BUILD is applied to a value that has no state"),
        }
        Ok(())
    }

    /// Pushes the result of calling `global` with the tuple `arguments`.
    fn call(&mut self, global: Id, arguments: Id) -> Result<()> {
        let Node::Global(full_name) = self.nodes.get(global) else {
            return malformed("the callee is not a global");
        };
        let Node::Tuple(args) = self.nodes.get(arguments) else {
            return malformed("the arguments of a call are not a tuple");
        };
        let (module, name) = full_name.rsplit_once('.').expect("a global has a module and a name");
        let node = match allowed_global(module, name).expect("GLOBAL checked the name") {
            AllowedGlobal::Dict => Node::Dict(self.dict_argument(args.first())?),
            AllowedGlobal::DefaultDict => Node::Dict(self.dict_argument(args.get(1))?),
            AllowedGlobal::List => Node::List(self.items_argument(args.first())?),
            AllowedGlobal::Tuple => Node::Tuple(self.items_argument(args.first())?),
            AllowedGlobal::Set => Node::Set(self.items_argument(args.first())?),
            AllowedGlobal::Encode => Node::Bytes(self.encode(args)?),
            AllowedGlobal::Bytes => Node::Bytes(self.bytes_argument(args)?),
            AllowedGlobal::Opaque => Node::Object { global, arguments, state: None },
        };
        self.charge_copy(&node)?;
        self.push(node)
    }

    /// Returns the items of a container argument; no items if the argument is missing.
    fn items_argument(&self, argument: Option<&Id>) -> Result<Vec<Id>> {
        match argument.map(|id| self.nodes.get(*id)) {
            None => Ok(Vec::new()),
            Some(Node::List(items) | Node::Tuple(items) | Node::Set(items)) => Ok(items.clone()),
            Some(_) => malformed("a container is created from a value without items"),
        }
    }

    /// Returns the entries of a dict argument, which is a dict or contains pairs.
    fn dict_argument(&self, argument: Option<&Id>) -> Result<Vec<(Id, Id)>> {
        if let Some(Node::Dict(pairs)) = argument.map(|id| self.nodes.get(*id)) {
            return Ok(pairs.clone());
        }
        self.items_argument(argument)?.iter().map(|&pair| self.pair(pair)).collect()
    }

    fn pair(&self, id: Id) -> Result<(Id, Id)> {
        match self.nodes.get(id) {
            Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => malformed("a dict is created from items that are not pairs"),
        }
    }

    /// Evaluates `_codecs.encode`.
    fn encode(&self, args: &[Id]) -> Result<Vec<u8>> {
        match self.argument_nodes(args)[..] {
            [Node::Str(text), Node::Str(encoding)]
                if matches!(encoding.as_str(), "latin1" | "latin-1") =>
            {
                string::to_latin_1(text)
            }
            _ => malformed("_codecs.encode is called with another encoding than Latin-1"),
        }
    }

    /// Evaluates `bytes` and `bytearray`.
    fn bytes_argument(&self, args: &[Id]) -> Result<Vec<u8>> {
        match self.argument_nodes(args)[..] {
            [] => Ok(Vec::new()),
            [Node::Bytes(bytes)] => Ok(bytes.clone()),
            [Node::Str(text), Node::Str(_encoding)] => string::to_latin_1(text),
            _ => malformed("bytes are created from an unsupported value"),
        }
    }

    fn argument_nodes(&self, args: &[Id]) -> Vec<&Node> {
        args.iter().map(|id| self.nodes.get(*id)).collect()
    }

    /// Counts a copied value against the limits. Otherwise, a short pickle could copy a large value
    /// any number of times.
    fn charge_copy(&mut self, node: &Node) -> Result<()> {
        match node {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
                self.stack.charge(items.len());
            }
            Node::Dict(pairs) => self.stack.charge(2 * pairs.len()),
            Node::Bytes(bytes) => self.copied_bytes += bytes.len(),
            _ => {}
        }
        if self.copied_bytes > self.limits.bytes {
            Err(Error::LimitExceeded(format!("copies have {} bytes", self.copied_bytes)))
        } else {
            Ok(())
        }
    }
}

/// Shortens a name and removes control characters, which terminals interpret.
fn printable(name: &str) -> String {
    let is_printable = |char: &char| !char.is_control();
    let mut printable: String = name.chars().take(MAX_NAME_CHARS).filter(is_printable).collect();
    if name.chars().nth(MAX_NAME_CHARS).is_some() {
        printable.push_str("...");
    }
    printable
}
