//! The machine that a pickle is a program for: a stack, a memo, and one byte that says what to do.

use std::collections::HashMap;
use std::io::BufRead;

use crate::globals::{Known, known};
use crate::input::{Input, text};
use crate::value::{Id, Node};
use crate::{Error, Limits, Pickle, Result, broken, escape};

/// The highest protocol there is.
const PROTOCOL: u8 = 5;

/// Reads one pickle, and leaves `from` behind its end.
///
/// # Errors
/// [`Error`]: it is broken, names a function that is not on the list, or exceeds the limits.
pub fn read(from: &mut impl BufRead, limits: Limits) -> Result<Pickle> {
    let mut machine = Machine {
        limits,
        nodes: Vec::new(),
        depths: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        pushed: 0,
        copied: 0,
    };
    let mut input = Input::new(from, limits.bytes);
    while machine.step(&mut input)? {}
    let root = machine.pop()?;
    Ok(Pickle { nodes: machine.nodes, root })
}

struct Machine {
    limits: Limits,
    nodes: Vec<Node>,
    /// Of each node, how deep values lie in it.
    depths: Vec<u16>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    pushed: usize,
    /// Bytes of strings that were made of others.
    copied: usize,
}

impl Machine {
    /// Does one operation; false at the end.
    fn step<R: BufRead>(&mut self, input: &mut Input<R>) -> Result<bool> {
        match input.byte()? {
            b'.' => return Ok(false),
            0x80 => match input.byte()? {
                0..=PROTOCOL => {}
                later => return broken(format!("protocol {later}, which does not exist yet")),
            },
            // A frame's length is for reading ahead; nothing depends on it.
            0x95 => drop(input.array::<8>()?),

            // The stack.
            b'(' => self.mark()?,
            b'0' => self.discard()?,
            b'1' => drop(self.since_mark()?),
            b'2' => self.push(self.top()?)?,

            // The memo.
            b'p' => {
                let key = number(&input.line()?)?;
                self.remember(key)?;
            }
            b'q' => {
                let key = input.byte()?.into();
                self.remember(key)?;
            }
            b'r' => {
                let key = input.u32()?;
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'g' => {
                let key = number(&input.line()?)?;
                self.recall(key)?;
            }
            b'h' => {
                let key = input.byte()?.into();
                self.recall(key)?;
            }
            b'j' => {
                let key = input.u32()?;
                self.recall(key)?;
            }

            // Plain values.
            b'N' => self.add(Node::None)?,
            0x88 => self.add(Node::Bool(true))?,
            0x89 => self.add(Node::Bool(false))?,
            b'I' => match &input.line()?[..] {
                b"00" => self.add(Node::Bool(false))?,
                b"01" => self.add(Node::Bool(true))?,
                digits => self.add(Node::Int(number(digits)?))?,
            },
            b'J' => {
                let value = i32::from_le_bytes(input.array()?);
                self.add(Node::Int(value.into()))?;
            }
            b'K' => {
                let value = input.byte()?;
                self.add(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(input.array()?);
                self.add(Node::Int(value.into()))?;
            }
            b'L' => {
                let line = input.line()?;
                let digits = line.strip_suffix(b"L").unwrap_or(&line);
                self.add(Node::Int(number(digits)?))?;
            }
            0x8a => {
                let length = input.byte()?.into();
                let value = long(&input.bytes(length)?)?;
                self.add(Node::Int(value))?;
            }
            0x8b => {
                let length = input.u32()?.into();
                let value = long(&input.bytes(length)?)?;
                self.add(Node::Int(value))?;
            }
            b'F' => self.add(Node::Float(number(&input.line()?)?))?,
            b'G' => {
                let value = f64::from_be_bytes(input.array()?);
                self.add(Node::Float(value))?;
            }

            // Python 2's strings, which may be anything.
            b'S' => {
                let bytes = escape::quoted(&input.line()?)?;
                self.add(Node::Bytes(bytes))?;
            }
            b'T' | b'B' => {
                let length = input.u32()?.into();
                self.add_bytes(input, length)?;
            }
            b'U' | b'C' => {
                let length = input.byte()?.into();
                self.add_bytes(input, length)?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(input.array()?);
                self.add_bytes(input, length)?;
            }
            b'V' => {
                let text = escape::raw_unicode(&input.line()?)?;
                self.add(Node::Text(text))?;
            }
            b'X' => {
                let length = input.u32()?.into();
                self.add_text(input, length)?;
            }
            0x8c => {
                let length = input.byte()?.into();
                self.add_text(input, length)?;
            }
            0x8d => {
                let length = u64::from_le_bytes(input.array()?);
                self.add_text(input, length)?;
            }

            // Values that hold others.
            b']' => self.add(Node::List(Vec::new()))?,
            b'}' => self.add(Node::Dict(Vec::new()))?,
            b')' => self.add(Node::Tuple(Vec::new()))?,
            0x8f => self.add(Node::Set(Vec::new()))?,
            b'l' => {
                let items = self.since_mark()?;
                self.add(Node::List(items))?;
            }
            b't' => {
                let items = self.since_mark()?;
                self.add(Node::Tuple(items))?;
            }
            b'd' => {
                let items = self.since_mark()?;
                self.add(Node::Dict(pairs(&items)?))?;
            }
            0x91 => {
                let items = self.since_mark()?;
                self.add(Node::Set(items))?;
            }
            count @ 0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=count {
                    items.insert(0, self.pop()?);
                }
                self.add(Node::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(&[(key, value)])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.extend_dict(&pairs(&items)?)?;
            }

            // What Python would call.
            b'c' => {
                let (module, name) = (input.text_line()?, input.text_line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.node(module), self.node(name)) {
                    (Node::Text(module), Node::Text(name)) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.global(&module, &name)?;
                    }
                    _ => return broken("a global whose name is no text"),
                }
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.call(function, arguments)?;
            }
            0x92 => {
                let keywords = self.pop()?;
                let arguments = self.pop()?;
                let function = self.pop()?;
                match self.node(keywords) {
                    Node::Dict(pairs) if pairs.is_empty() => self.call(function, arguments)?,
                    _ => return broken("a call with keywords"),
                }
            }
            b'i' => {
                let (module, name) = (input.text_line()?, input.text_line()?);
                let items = self.since_mark()?;
                self.global(&module, &name)?;
                let function = self.pop()?;
                self.add(Node::Tuple(items))?;
                let arguments = self.pop()?;
                self.call(function, arguments)?;
            }
            b'o' => {
                let mut items = self.since_mark()?;
                if items.is_empty() {
                    return broken("a call of nothing");
                }
                let function = items.remove(0);
                self.add(Node::Tuple(items))?;
                let arguments = self.pop()?;
                self.call(function, arguments)?;
            }
            b'b' => self.build()?,
            b'P' => {
                let name = input.text_line()?;
                self.add(Node::Text(name))?;
                let name = self.pop()?;
                self.add(Node::Persistent(name))?;
            }
            b'Q' => {
                let name = self.pop()?;
                self.add(Node::Persistent(name))?;
            }

            0x82..=0x84 => return Err(Error::Call("a function by its number in copyreg".into())),
            0x97 | 0x98 => return broken("buffers that are kept outside it"),
            other => return broken(format!("byte {other:#04x} where an operation should be")),
        }
        Ok(true)
    }

    fn node(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    fn push(&mut self, id: Id) -> Result<()> {
        self.pushed += 1;
        if self.pushed > self.limits.values {
            return Err(Error::TooMuch(format!("more than {} values", self.limits.values)));
        }
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => broken("it takes more than it put down"),
        }
    }

    fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// Takes a value away, or the mark that lies on top.
    fn discard(&mut self) -> Result<()> {
        match self.marks.last() {
            Some(&height) if height == self.stack.len() => drop(self.marks.pop()),
            _ => drop(self.pop()?),
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() >= usize::from(self.limits.depth) {
            return Err(self.too_deep());
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => broken("it goes back to a mark that is not there"),
        }
    }

    fn remember(&mut self, key: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        if self.memo.len() > self.limits.values {
            Err(Error::TooMuch(format!("more than {} values", self.limits.values)))
        } else {
            Ok(())
        }
    }

    fn recall(&mut self, key: u32) -> Result<()> {
        match self.memo.get(&key) {
            Some(&id) => self.push(id),
            None => broken(format!("it goes back to value {key}, which is not there")),
        }
    }

    /// Puts a new value on the stack.
    fn add(&mut self, node: Node) -> Result<()> {
        let deepest =
            |ids: &mut dyn Iterator<Item = Id>| ids.map(|id| self.depths[id as usize]).max();
        let inner = match &node {
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) => {
                deepest(&mut ids.iter().copied())
            }
            Node::Dict(pairs) => deepest(&mut pairs.iter().flat_map(|&(key, value)| [key, value])),
            Node::Object { arguments, .. } => deepest(&mut [*arguments].into_iter()),
            Node::Persistent(id) => deepest(&mut [*id].into_iter()),
            _ => None,
        };
        let depth = inner.map_or(0, |depth| depth.saturating_add(1));
        if depth > self.limits.depth {
            return Err(self.too_deep());
        }
        let id = self.nodes.len() as Id;
        self.push(id)?;
        self.nodes.push(node);
        self.depths.push(depth);
        Ok(())
    }

    /// Notes that `outer` now holds `inner`.
    fn holds(&mut self, outer: Id, inner: Id) -> Result<()> {
        let depth = self.depths[inner as usize].saturating_add(1);
        if depth > self.limits.depth {
            return Err(self.too_deep());
        }
        let outer = &mut self.depths[outer as usize];
        *outer = depth.max(*outer);
        Ok(())
    }

    fn too_deep(&self) -> Error {
        Error::TooMuch(format!("values nested more than {} deep", self.limits.depth))
    }

    fn add_bytes<R: BufRead>(&mut self, input: &mut Input<R>, length: u64) -> Result<()> {
        let bytes = input.bytes(length)?;
        self.add(Node::Bytes(bytes))
    }

    fn add_text<R: BufRead>(&mut self, input: &mut Input<R>, length: u64) -> Result<()> {
        let text = text(input.bytes(length)?)?;
        self.add(Node::Text(text))
    }

    /// Adds to the list or set on top of the stack.
    fn extend(&mut self, items: &[Id]) -> Result<()> {
        let top = self.top()?;
        for &item in items {
            self.holds(top, item)?;
        }
        match &mut self.nodes[top as usize] {
            Node::List(list) | Node::Set(list) => list.extend(items),
            _ => return broken("it adds items to something that has none"),
        }
        Ok(())
    }

    fn extend_dict(&mut self, pairs: &[(Id, Id)]) -> Result<()> {
        let top = self.top()?;
        for &(key, value) in pairs {
            self.holds(top, key)?;
            self.holds(top, value)?;
        }
        match &mut self.nodes[top as usize] {
            Node::Dict(dict) => dict.extend(pairs),
            _ => return broken("it adds keys to something that has none"),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let full = format!("{module}.{name}");
        match known(module, name) {
            Some(_) => self.add(Node::Global(full.into())),
            None => Err(Error::Call(printable(&full))),
        }
    }

    /// What a call would make, where that is a plain value; else the call, written down.
    fn call(&mut self, function: Id, arguments: Id) -> Result<()> {
        let Node::Global(name) = self.node(function) else {
            return broken("it calls something that is no function");
        };
        let Node::Tuple(given) = self.node(arguments) else {
            return broken("it calls a function with something that is no tuple");
        };
        let (module, name) = name.rsplit_once('.').expect("a module and a name");
        let items = |at: usize| match given.get(at).map(|id| self.node(*id)) {
            None => Ok(Vec::new()),
            Some(Node::List(items) | Node::Tuple(items) | Node::Set(items)) => Ok(items.clone()),
            _ => broken("it fills a list with something that is none"),
        };
        let dict = |at: usize| match given.get(at).map(|id| self.node(*id)) {
            Some(Node::Dict(pairs)) => Ok(pairs.clone()),
            _ => items(at)?.iter().map(|&pair| self.pair(pair)).collect(),
        };
        let node = match known(module, name).expect("only what is known is on the stack") {
            Known::Dict => Node::Dict(dict(0)?),
            Known::DefaultDict => Node::Dict(dict(1)?),
            Known::List => Node::List(items(0)?),
            Known::Tuple => Node::Tuple(items(0)?),
            Known::Set => Node::Set(items(0)?),
            Known::Encode => match given.iter().map(|id| self.node(*id)).collect::<Vec<_>>()[..] {
                [Node::Text(text), Node::Text(encoding)]
                    if matches!(encoding.as_str(), "latin1" | "latin-1") =>
                {
                    Node::Bytes(latin_1(text)?)
                }
                _ => return broken("it encodes something other than Latin-1"),
            },
            Known::Bytes => match given.iter().map(|id| self.node(*id)).collect::<Vec<_>>()[..] {
                [] => Node::Bytes(Vec::new()),
                [Node::Bytes(bytes)] => Node::Bytes(bytes.clone()),
                [Node::Text(text), Node::Text(_)] => Node::Bytes(latin_1(text)?),
                _ => return broken("it makes bytes of something that is none"),
            },
            Known::Inert => Node::Object { global: function, arguments, state: None },
        };
        // A copy costs what its original did: one that is copied again and again would be a bomb.
        match &node {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => self.pushed += items.len(),
            Node::Dict(pairs) => self.pushed += 2 * pairs.len(),
            Node::Bytes(bytes) => self.copied += bytes.len(),
            _ => {}
        }
        if self.copied > self.limits.bytes {
            return Err(Error::TooMuch(format!("copies of {} bytes", self.copied)));
        }
        self.add(node)
    }

    fn pair(&self, id: Id) -> Result<(Id, Id)> {
        match self.node(id) {
            Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => broken("it fills a dict with something that is no pair"),
        }
    }

    /// Fills an object. Attributes of plain values (PyTorch gives its dictionaries `_metadata`) say
    /// nothing that is needed.
    fn build(&mut self) -> Result<()> {
        let filling = self.pop()?;
        let top = self.top()?;
        self.holds(top, filling)?;
        match &mut self.nodes[top as usize] {
            Node::Object { state, .. } => *state = Some(filling),
            Node::Dict(_) | Node::List(_) | Node::Set(_) => {}
            _ => return broken("it fills something that is no object"),
        }
        Ok(())
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    match items.len() % 2 {
        0 => Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
        _ => broken("a key without a value"),
    }
}

fn latin_1(text: &str) -> Result<Vec<u8>> {
    let byte = |letter| u8::try_from(u32::from(letter));
    text.chars()
        .map(byte)
        .collect::<std::result::Result<_, _>>()
        .or_else(|_| broken("a text beyond Latin-1"))
}

/// A number of a line.
fn number<T: std::str::FromStr>(line: &[u8]) -> Result<T> {
    let digits = std::str::from_utf8(line).ok().and_then(|digits| digits.parse().ok());
    digits.map_or_else(|| broken("a number that is none, or too long"), Ok)
}

/// A whole number of up to 16 bytes, little-endian, two's complement.
fn long(bytes: &[u8]) -> Result<i128> {
    let Some(last) = bytes.last() else { return Ok(0) };
    let mut all = [if last & 0x80 == 0 { 0 } else { 0xff }; 16];
    match all.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return broken(format!("a number of {} bytes", bytes.len())),
    }
    Ok(i128::from_le_bytes(all))
}

/// A name for a message: short, and without what could act on a terminal.
fn printable(name: &str) -> String {
    let mut shown: String = name.chars().take(100).filter(|letter| !letter.is_control()).collect();
    if name.chars().nth(100).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes: &[u8]) -> Result<Pickle> {
        read(&mut &bytes[..], Limits::default())
    }

    fn refused(bytes: &[u8]) -> String {
        load(bytes).expect_err("refused").to_string()
    }

    #[test]
    fn plain_values_are_what_python_wrote() {
        // pickle.dumps({'a': [1, -2, 2.5, None, True], b'b': (70000, 'é')}, 2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\
                      \x00\x00\x00\x00\x00\x00N\x88eU\x01bJp\x11\x01\x00X\x02\x00\x00\x00\xc3\xa9\x86u.";
        let pickle = load(bytes).unwrap();
        let list: Vec<_> = pickle.root().get("a").unwrap().as_items().unwrap().collect();
        assert_eq!((list[0].as_int(), list[1].as_int()), (Some(1), Some(-2)));
        assert_eq!((list[2].as_float(), list[4].as_bool()), (Some(2.5), Some(true)));
        assert!(list[3].is_none());
        let pair: Vec<_> = pickle.root().get("b").unwrap().as_items().unwrap().collect();
        assert_eq!((pair[0].as_int(), pair[1].as_text()), (Some(70000), Some("é")));
    }

    #[test]
    fn what_stands_behind_a_pickle_is_left() {
        let mut rest = &b"K\x07.K\x08.tail"[..];
        for expected in [7, 8] {
            let pickle = read(&mut rest, Limits::default()).unwrap();
            assert_eq!(pickle.root().as_int(), Some(expected));
        }
        assert_eq!(rest, b"tail");
    }

    #[test]
    fn a_call_is_refused_by_its_name_before_its_arguments_are_read() {
        for call in
            [&b"cos\nsystem\n(S'touch x'\ntR."[..], b"cos\nsystem\n", b"(S'x'\nios\nsystem\n."]
        {
            assert_eq!(refused(call), "asks Python to call os.system: refused");
        }
        let named = b"\x80\x04\x8c\x02os\x8c\x06system\x93.";
        assert_eq!(refused(named), "asks Python to call os.system: refused");
        assert!(refused(b"c\x1b[31mred\nx\n.").contains("call [31mred.x"));
    }

    #[test]
    fn three_million_values_in_each_other_are_refused() {
        let many = |opener: &[u8], middle: &[u8], closer: &[u8]| {
            [opener.repeat(3_000_000), middle.to_vec(), closer.repeat(3_000_000), b".".to_vec()]
                .concat()
        };
        for bomb in [
            many(b"(", b"", b"t"),
            many(b"]", b"", b"a"),
            many(b"", b")", b"\x85"),
            many(b"}K\x00", b"N", b"s"),
            // Each filled after it was put into the one before: no bottom is known while it grows.
            many(b"", b"]2", b"]2a"),
        ] {
            assert!(refused(&bomb).starts_with("is more than is read"), "{}", refused(&bomb));
        }
    }

    #[test]
    fn nesting_that_limits_allow_is_freed_without_recursion() {
        let limits = Limits { depth: u16::MAX, values: 1 << 24, ..Limits::default() };
        // ]q0 then (]2 h0 ... : each list put into the one before while it is still empty.
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
    fn copies_of_copies_are_paid_for() {
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
    fn a_length_without_bytes_is_a_lie() {
        for lie in [
            &b"X\xff\xff\xff\x03abc."[..],
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"T\xff\xff\xff\xffabc.",
            b"\x8b\xff\xff\xff\xff.",
            b"\x8a\xffabc.",
        ] {
            refused(lie);
        }
    }

    #[test]
    fn what_is_no_pickle_is_said_to_be_none() {
        for scrap in [
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
            b"\x8a\x11aaaaaaaaaaaaaaaaa.",
        ] {
            refused(scrap);
        }
    }

    #[test]
    fn whole_numbers_of_any_protocol_are_read() {
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
    fn a_value_may_hold_itself() {
        let pickle = load(b"]q\x00h\x00a.").unwrap();
        let inner = pickle.root().as_items().unwrap().next().unwrap();
        assert_eq!(inner.as_items().unwrap().len(), 1);
    }
}
