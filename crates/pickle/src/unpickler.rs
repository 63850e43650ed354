//! The unpickler: a stack machine that executes the opcodes of a pickle, but no Python code.

use std::io::BufRead;

use crate::input::Input;
use crate::node::{Id, Node, NodeTable};
use crate::opcode::{Operation, read_operation};
use crate::stack::{Memo, Stack};
use crate::{Limits, Pickle, Result, malformed};

/// Reads one pickle, up to and including its `STOP` opcode.
///
/// # Errors
/// [`Error`](crate::Error) for a malformed pickle and a pickle that exceeds `limits`.
pub fn read(reader: &mut impl BufRead, limits: Limits) -> Result<Pickle> {
    let mut input = Input::new(reader, limits.bytes);
    let mut unpickler = Unpickler::new(limits);
    loop {
        match read_operation(&mut input)? {
            Operation::Stop => break,
            operation => unpickler.execute(operation)?,
        }
    }
    let root = unpickler.stack.pop()?;
    Ok(Pickle { nodes: unpickler.nodes.into_nodes(), root })
}

pub(crate) struct Unpickler {
    pub limits: Limits,
    pub nodes: NodeTable,
    pub stack: Stack,
    pub memo: Memo,
    /// Total size in bytes of copied byte strings and of the names of globals.
    pub copied_bytes: usize,
}

impl Unpickler {
    fn new(limits: Limits) -> Self {
        Unpickler {
            limits,
            nodes: NodeTable::new(limits.depth),
            stack: Stack::new(limits),
            memo: Memo::new(limits.values),
            copied_bytes: 0,
        }
    }

    fn execute(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::Skip | Operation::Stop => Ok(()),
            Operation::Push(node) => self.push(node),
            Operation::Mark => self.stack.mark(),
            Operation::Pop => self.stack.pop_value_or_mark(),
            Operation::PopMark => self.stack.pop_mark().map(drop),
            Operation::Dup => self.stack.push(self.stack.top()?),
            Operation::Put(key) => self.memo.put(key, self.stack.top()?),
            Operation::Memoize => self.memo.put(self.memo.next_key(), self.stack.top()?),
            Operation::Get(key) => self.stack.push(self.memo.get(key)?),

            Operation::List => {
                let items = self.stack.pop_mark()?;
                self.push(Node::List(items))
            }
            Operation::Tuple => {
                let items = self.stack.pop_mark()?;
                self.push(Node::Tuple(items))
            }
            Operation::ShortTuple(len) => self.short_tuple(len),
            Operation::Dict => {
                let items = self.stack.pop_mark()?;
                self.push(Node::Dict(pairs(&items)?))
            }
            Operation::FrozenSet => {
                let items = self.stack.pop_mark()?;
                self.push(Node::Set(items))
            }
            Operation::Append => {
                let item = self.stack.pop()?;
                self.add_items(&[item])
            }
            Operation::AddItems => {
                let items = self.stack.pop_mark()?;
                self.add_items(&items)
            }
            Operation::SetItem => {
                let value = self.stack.pop()?;
                let key = self.stack.pop()?;
                self.set_items(&[(key, value)])
            }
            Operation::SetItems => {
                let items = self.stack.pop_mark()?;
                self.set_items(&pairs(&items)?)
            }

            Operation::Global { module, name } => self.global(&module, &name),
            Operation::StackGlobal => self.stack_global(),
            Operation::Reduce => self.reduce(),
            Operation::NewObjEx => self.newobj_ex(),
            Operation::Inst { module, name } => self.inst(&module, &name),
            Operation::Obj => self.obj(),
            Operation::Build => self.build(),
            Operation::PersId(id) => {
                self.push(Node::Str(id))?;
                self.persistent()
            }
            Operation::BinPersId => self.persistent(),
        }
    }

    /// Pushes a new value.
    pub fn push(&mut self, node: Node) -> Result<()> {
        let id = self.nodes.insert(node)?;
        self.stack.push(id)
    }

    fn short_tuple(&mut self, len: usize) -> Result<()> {
        let mut items = Vec::with_capacity(len);
        for _ in 0..len {
            items.push(self.stack.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items))
    }

    /// Adds items to the list or set on top of the stack. Items of recorded objects, such as a
    /// `deque`, are ignored.
    fn add_items(&mut self, items: &[Id]) -> Result<()> {
        let top = self.stack.top()?;
        if let Node::Object { .. } = self.nodes.get(top) {
            return Ok(());
        }
        for &item in items {
            self.nodes.add_child(top, item)?;
        }
        match self.nodes.get_mut(top) {
            Node::List(list) | Node::Set(list) => list.extend(items),
            _ => return malformed("items are added to a value that is not a list or set"),
        }
        Ok(())
    }

    /// Adds entries to the dict, or to the recorded object of a subclass of dict, on top of the
    /// stack.
    fn set_items(&mut self, pairs: &[(Id, Id)]) -> Result<()> {
        let mut top = self.stack.top()?;
        if let Node::Object { entries, .. } = *self.nodes.get(top) {
            let dict = match entries {
                Some(dict) => dict,
                None => self.nodes.insert(Node::Dict(Vec::new()))?,
            };
            if let Node::Object { entries, .. } = self.nodes.get_mut(top) {
                *entries = Some(dict);
            }
            for &(key, value) in pairs {
                self.nodes.add_child(top, key)?;
                self.nodes.add_child(top, value)?;
            }
            top = dict;
        }
        for &(key, value) in pairs {
            self.nodes.add_child(top, key)?;
            self.nodes.add_child(top, value)?;
        }
        match self.nodes.get_mut(top) {
            Node::Dict(dict) => dict.extend(pairs),
            _ => return malformed("entries are added to a value that is not a dict"),
        }
        Ok(())
    }

    /// Replaces the persistent id on top of the stack by a reference to its object.
    fn persistent(&mut self) -> Result<()> {
        let id = self.stack.pop()?;
        self.push(Node::Persistent(id))
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    match items.len() % 2 {
        0 => Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
        _ => malformed("a dict has a key without a value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes: &[u8]) -> Result<Pickle> {
        read(&mut &bytes[..], Limits::default())
    }

    fn error_message(bytes: &[u8]) -> String {
        load(bytes).expect_err("an error").to_string()
    }

    #[test]
    fn reads_built_in_values() {
        // pickle.dumps({'a': [1, -2, 2.5, None, True], b'b': (70000, 'é')}, 2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\
                      \x00\x00\x00\x00\x00\x00N\x88eU\x01bJp\x11\x01\x00X\x02\x00\x00\x00\xc3\xa9\x86u.";
        let pickle = load(bytes).unwrap();
        let list: Vec<_> = pickle.root().get("a").unwrap().as_items().unwrap().collect();
        assert_eq!((list[0].as_int(), list[1].as_int()), (Some(1), Some(-2)));
        assert_eq!((list[2].as_float(), list[4].as_bool()), (Some(2.5), Some(true)));
        assert!(list[3].is_none());
        let pair: Vec<_> = pickle.root().get("b").unwrap().as_items().unwrap().collect();
        assert_eq!((pair[0].as_int(), pair[1].as_str()), (Some(70000), Some("é")));
    }

    #[test]
    fn the_reader_is_positioned_after_the_pickle() {
        let mut rest = &b"K\x07.K\x08.tail"[..];
        for expected in [7, 8] {
            let pickle = read(&mut rest, Limits::default()).unwrap();
            assert_eq!(pickle.root().as_int(), Some(expected));
        }
        assert_eq!(rest, b"tail");
    }

    #[test]
    fn records_calls_with_their_arguments() {
        for call in [
            &b"cos\nsystem\n(S'touch x'\ntR."[..],
            b"(S'touch x'\nios\nsystem\n.",
            b"(cos\nsystem\nS'touch x'\no.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x07touch x\x85R.",
            b"cos\nsystem\n(S'touch x'\nt}S'k'\nK\x01s\x92.",
        ] {
            let pickle = load(call).unwrap();
            let (function, arguments) = pickle.root().as_object().unwrap();
            assert_eq!((function, arguments[0].as_str()), ("os.system", Some("touch x")));
            assert_eq!(pickle.root().describe(), "a call of os.system");
        }
        // The result of a call is called.
        let computed = load(b"c__builtin__\ngetattr\n(NS'x'\ntR(K\x01tR.").unwrap();
        assert_eq!(computed.root().describe(), "a call of a computed function");
        assert!(computed.root().as_object().is_none());
        let escape = load(b"c\x1b[31mred\nx\n.").unwrap();
        assert_eq!(escape.root().describe(), "the global [31mred.x");
        let extension = load(b"\x82\x07.").unwrap();
        assert_eq!(extension.root().as_global(), Some("copyreg.extension_7"));
    }

    #[test]
    fn records_calls_of_constructors_with_other_arguments() {
        for (call, description) in [
            (&b"c__builtin__\nset\n(c__builtin__\nrange\n(K\x03tRtR."[..], "__builtin__.set"),
            (b"c__builtin__\nbytes\n(K\x03tR.", "__builtin__.bytes"),
            (b"ccollections\nOrderedDict\n(K\x03tR.", "collections.OrderedDict"),
            (b"c_codecs\nencode\n(V\\u20ac\nVlatin1\ntR.", "_codecs.encode"),
        ] {
            let pickle = load(call).unwrap();
            assert_eq!(pickle.root().describe(), format!("a call of {description}"));
        }
    }

    #[test]
    fn objects_have_the_entries_and_the_state_that_were_set() {
        // An object of a subclass of dict: cls(), then SETITEMS and BUILD.
        let pickle = load(b"clightning\nAttributeDict\n)\x81(Va\nK\x01u}Vb\nK\x02sb.").unwrap();
        assert_eq!(pickle.root().get("a").unwrap().as_int(), Some(1));
        assert_eq!(pickle.root().state().unwrap().get("b").unwrap().as_int(), Some(2));
        // Items of a deque are ignored, and so is the state of a list.
        assert!(load(b"ccollections\ndeque\n)\x81(K\x01K\x02e.").is_ok());
        assert!(load(b"]}b.").unwrap().root().as_items().is_some());
    }

    #[test]
    fn bounds_the_names_of_globals() {
        let long = [b"c".to_vec(), b"m".repeat(2000), b"\nx\n.".to_vec()].concat();
        assert!(error_message(&long).contains("a name of 2002 bytes"));
        // 200,000 references to one global with a name of 401 bytes.
        let mut repeated = [b"\x8c\xc8".to_vec(), b"m".repeat(200), b"\x94".to_vec()].concat();
        repeated.extend(b"h\x00h\x00\x930".repeat(200_000));
        repeated.push(b'.');
        assert!(error_message(&repeated).contains("copies have"));
    }

    #[test]
    fn large_ints_and_surrogates_are_read_without_their_value() {
        let hash = [b"\x8a\x11".to_vec(), b"a".repeat(17), b".".to_vec()].concat();
        let line = [b"L".to_vec(), b"9".repeat(60), b"L\n.".to_vec()].concat();
        for bytes in [hash, line] {
            let pickle = load(&bytes).unwrap();
            assert_eq!(pickle.root().as_int(), None);
            assert_eq!(pickle.root().describe(), "an int");
        }
        let name = load(b"X\x05\x00\x00\x00a\xed\xb3\xa9b.").unwrap();
        assert_eq!(name.root().as_str(), Some("a\u{fffd}b"));
    }

    #[test]
    fn rejects_three_million_nested_values() {
        let nested = |opener: &[u8], middle: &[u8], closer: &[u8]| {
            [opener.repeat(3_000_000), middle.to_vec(), closer.repeat(3_000_000), b".".to_vec()]
                .concat()
        };
        for bomb in [
            nested(b"(", b"", b"t"),
            nested(b"]", b"", b"a"),
            nested(b"", b")", b"\x85"),
            nested(b"}K\x00", b"N", b"s"),
            // Each list is added to its parent while it is empty, when its depth is unknown.
            nested(b"", b"]2", b"]2a"),
        ] {
            assert!(
                error_message(&bomb).starts_with("exceeds the limits"),
                "{}",
                error_message(&bomb)
            );
        }
    }

    #[test]
    fn drops_deep_values_without_recursion() {
        let limits = Limits { depth: u16::MAX, values: 1 << 24, ..Limits::default() };
        // Adds each list to its parent while the list is empty: ] r0, then ] r1 a 0 j1, and so on.
        let mut deep = b"]r\x00\x00\x00\x00".to_vec();
        for level in 1..=3_000_000_u32 {
            deep.extend(b"]r");
            deep.extend(level.to_le_bytes());
            deep.push(b'a');
            deep.push(b'0');
            deep.push(b'j');
            deep.extend(level.to_le_bytes());
        }
        deep.push(b'.');
        let pickle = read(&mut &deep[..], limits).unwrap();
        drop(pickle);
    }

    #[test]
    fn counts_copies_against_the_limits() {
        let limits = Limits { bytes: 1 << 20, values: 10_000, ..Limits::default() };
        let mut bomb = b"B\x00\x00\x08\x00".to_vec();
        bomb.extend([7].repeat(1 << 19));
        bomb.extend(b"q\x000");
        bomb.extend(b"c__builtin__\nbytes\n(h\x00tR".repeat(4));
        bomb.push(b'.');
        assert!(read(&mut &bomb[..], limits).unwrap_err().to_string().contains("copies"));

        let mut bomb = b"(".to_vec();
        bomb.extend(b"N".repeat(4000));
        bomb.extend(b"lq\x00");
        bomb.extend(b"c__builtin__\nlist\n(h\x00tR".repeat(3));
        bomb.push(b'.');
        assert!(read(&mut &bomb[..], limits).unwrap_err().to_string().contains("values"));
    }

    #[test]
    fn rejects_lengths_beyond_the_input() {
        for pickle in [
            &b"X\xff\xff\xff\x03abc."[..],
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"T\xff\xff\xff\xffabc.",
            b"\x8b\xff\xff\xff\xff.",
            b"\x8a\xffabc.",
        ] {
            error_message(pickle);
        }
    }

    #[test]
    fn rejects_malformed_pickles() {
        for bytes in [
            &b""[..],
            b".",
            b"N",
            b"0.",
            b"t.",
            b"h\x00.",
            b"NN(s.",
            b"(Nd.",
            b"NNa.",
            b"NNNs.",
            b"Nb.",
            b"NNR.",
            b"c__builtin__\nlist\nNR.",
            b"\x80\x06.",
            b"\x97.",
            b"\xff.",
            b"I1e3\n.",
            b"V\\u12\n.",
            b"(N(1t0.",
            b"X\x01\x00\x00\x00\xff.",
            b"Iabc",
        ] {
            error_message(bytes);
        }
    }

    #[test]
    fn reads_the_ints_of_every_protocol() {
        for (bytes, number) in [
            (&b"I-5\n."[..], -5),
            (b"L123456789012345678901L\n.", 123_456_789_012_345_678_901),
            (b"\x8a\x00.", 0),
            (b"\x8a\x01\xff.", -1),
            (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", 0x1950_a86a_20f9_469c_fc6c),
            (b"M\x01\x02.", 0x201),
        ] {
            assert_eq!(load(bytes).unwrap().root().as_int(), Some(number));
        }
    }

    #[test]
    fn reads_values_that_contain_themselves() {
        let pickle = load(b"]q\x00h\x00a.").unwrap();
        let inner = pickle.root().as_items().unwrap().next().unwrap();
        assert_eq!(inner.as_items().unwrap().len(), 1);
    }
}
