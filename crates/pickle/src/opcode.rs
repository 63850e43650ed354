//! The opcodes of pickle protocols 0 to 5, under the names of CPython's `pickle.py`.

use std::io::BufRead;

use crate::input::{Input, utf8};
use crate::node::Node;
use crate::{Result, malformed, number, string};

const HIGHEST_PROTOCOL: u8 = 5;

// Protocols 0 and 1.
const MARK: u8 = b'(';
const STOP: u8 = b'.';
const POP: u8 = b'0';
const POP_MARK: u8 = b'1';
const DUP: u8 = b'2';
const FLOAT: u8 = b'F';
const BINFLOAT: u8 = b'G';
const INT: u8 = b'I';
const BININT: u8 = b'J';
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const LONG: u8 = b'L';
const NONE: u8 = b'N';
const PERSID: u8 = b'P';
const BINPERSID: u8 = b'Q';
const REDUCE: u8 = b'R';
const STRING: u8 = b'S';
const BINSTRING: u8 = b'T';
const SHORT_BINSTRING: u8 = b'U';
const UNICODE: u8 = b'V';
const BINUNICODE: u8 = b'X';
const APPEND: u8 = b'a';
const APPENDS: u8 = b'e';
const BUILD: u8 = b'b';
const GLOBAL: u8 = b'c';
const DICT: u8 = b'd';
const EMPTY_DICT: u8 = b'}';
const GET: u8 = b'g';
const BINGET: u8 = b'h';
const LONG_BINGET: u8 = b'j';
const INST: u8 = b'i';
const LIST: u8 = b'l';
const EMPTY_LIST: u8 = b']';
const OBJ: u8 = b'o';
const PUT: u8 = b'p';
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';
const SETITEM: u8 = b's';
const SETITEMS: u8 = b'u';
const TUPLE: u8 = b't';
const EMPTY_TUPLE: u8 = b')';

// Protocol 2.
const PROTO: u8 = 0x80;
const NEWOBJ: u8 = 0x81;
const EXT1: u8 = 0x82;
const EXT2: u8 = 0x83;
const EXT4: u8 = 0x84;
const TUPLE1: u8 = 0x85;
const TUPLE2: u8 = 0x86;
const TUPLE3: u8 = 0x87;
const NEWTRUE: u8 = 0x88;
const NEWFALSE: u8 = 0x89;
const LONG1: u8 = 0x8a;
const LONG4: u8 = 0x8b;

// Protocol 3.
const BINBYTES: u8 = b'B';
const SHORT_BINBYTES: u8 = b'C';

// Protocol 4.
const SHORT_BINUNICODE: u8 = 0x8c;
const BINUNICODE8: u8 = 0x8d;
const BINBYTES8: u8 = 0x8e;
const EMPTY_SET: u8 = 0x8f;
const ADDITEMS: u8 = 0x90;
const FROZENSET: u8 = 0x91;
const NEWOBJ_EX: u8 = 0x92;
const STACK_GLOBAL: u8 = 0x93;
const MEMOIZE: u8 = 0x94;
const FRAME: u8 = 0x95;

// Protocol 5.
const BYTEARRAY8: u8 = 0x96;
const NEXT_BUFFER: u8 = 0x97;
const READONLY_BUFFER: u8 = 0x98;

/// An opcode with its argument. Opcodes that differ only in the encoding of their argument share a
/// variant.
pub(crate) enum Operation {
    /// `PROTO` or `FRAME`, which have no effect on the stack.
    Skip,
    Stop,
    /// Pushes a value without items.
    Push(Node),
    Mark,
    Pop,
    PopMark,
    Dup,
    Put(u32),
    Memoize,
    Get(u32),
    List,
    Tuple,
    /// `TUPLE1` to `TUPLE3`: a tuple of the top values.
    ShortTuple(usize),
    Dict,
    FrozenSet,
    Append,
    /// `APPENDS` or `ADDITEMS`.
    AddItems,
    SetItem,
    SetItems,
    Global {
        module: String,
        name: String,
    },
    StackGlobal,
    /// `REDUCE` or `NEWOBJ`.
    Reduce,
    NewObjEx,
    Inst {
        module: String,
        name: String,
    },
    Obj,
    Build,
    PersId(String),
    BinPersId,
}

/// Reads the next opcode and its argument.
pub(crate) fn read_operation<R: BufRead>(input: &mut Input<R>) -> Result<Operation> {
    Ok(match input.u8()? {
        PROTO => read_protocol(input)?,
        FRAME => read_frame(input)?,
        STOP => Operation::Stop,

        MARK => Operation::Mark,
        POP => Operation::Pop,
        POP_MARK => Operation::PopMark,
        DUP => Operation::Dup,
        PUT => Operation::Put(number::from_line(&input.line()?)?),
        BINPUT => Operation::Put(input.u8()?.into()),
        LONG_BINPUT => Operation::Put(input.u32()?),
        MEMOIZE => Operation::Memoize,
        GET => Operation::Get(number::from_line(&input.line()?)?),
        BINGET => Operation::Get(input.u8()?.into()),
        LONG_BINGET => Operation::Get(input.u32()?),

        NONE => Operation::Push(Node::None),
        NEWTRUE => Operation::Push(Node::Bool(true)),
        NEWFALSE => Operation::Push(Node::Bool(false)),
        INT => Operation::Push(int_or_bool(&input.line()?)?),
        LONG => Operation::Push(long(&input.line()?)?),
        BININT => Operation::Push(Node::Int(i32::from_le_bytes(input.array()?).into())),
        BININT1 => Operation::Push(Node::Int(input.u8()?.into())),
        BININT2 => Operation::Push(Node::Int(u16::from_le_bytes(input.array()?).into())),
        LONG1 => Operation::Push(binary_long(u64::from(input.u8()?), input)?),
        LONG4 => Operation::Push(binary_long(u64::from(input.u32()?), input)?),
        FLOAT => Operation::Push(Node::Float(number::from_line(&input.line()?)?)),
        BINFLOAT => Operation::Push(Node::Float(f64::from_be_bytes(input.array()?))),

        // Python 2 strings are read as bytes, because their encoding is unknown.
        STRING => Operation::Push(Node::Bytes(string::from_repr(&input.line()?)?)),
        BINSTRING | BINBYTES => Operation::Push(bytes(u64::from(input.u32()?), input)?),
        SHORT_BINSTRING | SHORT_BINBYTES => Operation::Push(bytes(u64::from(input.u8()?), input)?),
        BINBYTES8 | BYTEARRAY8 => Operation::Push(bytes(input.u64()?, input)?),
        UNICODE => Operation::Push(Node::Str(string::from_raw_unicode(&input.line()?)?)),
        SHORT_BINUNICODE => Operation::Push(str(u64::from(input.u8()?), input)?),
        BINUNICODE => Operation::Push(str(u64::from(input.u32()?), input)?),
        BINUNICODE8 => Operation::Push(str(input.u64()?, input)?),

        EMPTY_LIST => Operation::Push(Node::List(Vec::new())),
        EMPTY_DICT => Operation::Push(Node::Dict(Vec::new())),
        EMPTY_TUPLE => Operation::Push(Node::Tuple(Vec::new())),
        EMPTY_SET => Operation::Push(Node::Set(Vec::new())),
        LIST => Operation::List,
        TUPLE => Operation::Tuple,
        TUPLE1 => Operation::ShortTuple(1),
        TUPLE2 => Operation::ShortTuple(2),
        TUPLE3 => Operation::ShortTuple(3),
        DICT => Operation::Dict,
        FROZENSET => Operation::FrozenSet,
        APPEND => Operation::Append,
        APPENDS | ADDITEMS => Operation::AddItems,
        SETITEM => Operation::SetItem,
        SETITEMS => Operation::SetItems,

        GLOBAL => Operation::Global { module: input.utf8_line()?, name: input.utf8_line()? },
        STACK_GLOBAL => Operation::StackGlobal,
        REDUCE | NEWOBJ => Operation::Reduce,
        NEWOBJ_EX => Operation::NewObjEx,
        INST => Operation::Inst { module: input.utf8_line()?, name: input.utf8_line()? },
        OBJ => Operation::Obj,
        BUILD => Operation::Build,
        PERSID => Operation::PersId(input.utf8_line()?),
        BINPERSID => Operation::BinPersId,

        EXT1 => extension(input.u8()?.into()),
        EXT2 => extension(u16::from_le_bytes(input.array()?).into()),
        EXT4 => extension(input.u32()?),
        NEXT_BUFFER | READONLY_BUFFER => return malformed("out-of-band buffers are not supported"),
        byte => return malformed(format!("unknown opcode {byte:#04x}")),
    })
}

fn read_protocol<R: BufRead>(input: &mut Input<R>) -> Result<Operation> {
    match input.u8()? {
        0..=HIGHEST_PROTOCOL => Ok(Operation::Skip),
        protocol => {
            malformed(format!("protocol {protocol} is unknown; the highest is {HIGHEST_PROTOCOL}"))
        }
    }
}

/// Skips the length of a frame, which is only needed for reading ahead.
fn read_frame<R: BufRead>(input: &mut Input<R>) -> Result<Operation> {
    input.array::<8>()?;
    Ok(Operation::Skip)
}

/// Parses the argument of `INT`, which also encodes the bools of protocols 0 and 1.
fn int_or_bool(line: &[u8]) -> Result<Node> {
    Ok(match line {
        b"00" => Node::Bool(false),
        b"01" => Node::Bool(true),
        digits => number::int_from_line(digits)?,
    })
}

fn long(line: &[u8]) -> Result<Node> {
    number::int_from_line(line.strip_suffix(b"L").unwrap_or(line))
}

fn binary_long<R: BufRead>(length: u64, input: &mut Input<R>) -> Result<Node> {
    Ok(number::from_twos_complement(&input.bytes(length)?))
}

/// Returns the operation that pushes the global that `copyreg` registered as extension `code`.
fn extension(code: u32) -> Operation {
    Operation::Push(Node::Global(format!("copyreg.extension_{code}").into()))
}

fn bytes<R: BufRead>(length: u64, input: &mut Input<R>) -> Result<Node> {
    Ok(Node::Bytes(input.bytes(length)?))
}

fn str<R: BufRead>(length: u64, input: &mut Input<R>) -> Result<Node> {
    Ok(Node::Str(utf8(input.bytes(length)?)?))
}
