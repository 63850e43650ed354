//! Huffman codes and the bits that they are read from (ITU-T T.81, annexes C and F.2).

/// Bits that are looked up at once.
pub(super) const LOOK: u32 = 11;
/// How far an end of block goes: beyond everything.
pub(super) const END: usize = 128;

/// A code, as DHT defines it.
pub(super) struct Code {
    /// By the next bits: length of the code and symbol; 0 where it is longer.
    short: Box<[u16; 1 << LOOK]>,
    /// For each length, what the codes of up to that length are below, in 16 bits.
    below: [u32; 17],
    /// What has to be added to a code of this length for its symbol's place.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Code {
    /// `None` for what is no code.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Code> {
        let mut code = Code {
            short: Box::new([0; 1 << LOOK]),
            below: [0; 17],
            offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut next, mut place) = (0u32, 0usize);
        for length in 1..=16 {
            code.offset[length as usize] = place as i32 - next as i32;
            for _ in 0..counts[length as usize - 1] {
                // A code of all ones is none.
                if next + 1 >= 1 << length {
                    return None;
                }
                let &symbol = symbols.get(place)?;
                if let Some(free) = LOOK.checked_sub(length) {
                    let from = (next << free) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    code.short[from..from + (1 << free)].fill(entry);
                }
                next += 1;
                place += 1;
            }
            code.below[length as usize] = next << (16 - length);
            next <<= 1;
        }
        (place == symbols.len()).then_some(code)
    }

    /// The next symbol. Takes up to 16 bits.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut Bits) -> Option<u8> {
        let short = self.short[bits.peek(LOOK) as usize];
        if short != 0 {
            bits.skip(u32::from(short >> 8));
            return Some(short as u8);
        }
        let (symbol, length) = self.long_symbol(bits.peek(16))?;
        bits.skip(length);
        Some(symbol)
    }

    /// The symbol that 16 bits begin with, and the length of its code.
    #[cold]
    #[inline(never)]
    fn long_symbol(&self, next: u32) -> Option<(u8, u32)> {
        let length = (LOOK as usize + 1..=16).find(|&length| next < self.below[length])?;
        let code = (next >> (16 - length)) as i32;
        let place = usize::try_from(code + self.offset[length]).ok()?;
        Some((*self.symbols.get(place)?, length as u32))
    }

    /// The difference of a first coefficient to the one before. Takes up to 27 bits.
    #[inline(always)]
    pub fn difference(&self, bits: &mut Bits) -> Option<i32> {
        match self.symbol(bits)? {
            size @ 0..=11 => Some(bits.value(size.into())),
            _ => None,
        }
    }

    /// How much further the next coefficient is than the one before, and its value, where they are
    /// too long for [`Pairs`]. Fills the bits before and after. `None` for what no encoder writes.
    #[inline(always)]
    pub fn coefficient(&self, bits: &mut Bits) -> Option<(usize, i16)> {
        let (found, at, held, count) =
            self.long_coefficient(bits.bytes, bits.at, bits.held, bits.count);
        (bits.at, bits.held, bits.count) = (at, held, count);
        found
    }

    /// See [`filled_at_the_end`].
    #[cold]
    #[inline(never)]
    fn long_coefficient(
        &self,
        bytes: &[u8],
        at: usize,
        held: u64,
        count: u32,
    ) -> (Option<(usize, i16)>, usize, u64, u32) {
        let mut bits = Bits { bytes, at, held, count };
        bits.fill();
        let found = self.any_coefficient(&mut bits);
        bits.fill();
        (found, bits.at, bits.held, bits.count)
    }

    fn any_coefficient(&self, bits: &mut Bits) -> Option<(usize, i16)> {
        let symbol = self.symbol(bits)?;
        match (usize::from(symbol >> 4), u32::from(symbol & 15)) {
            (0, 0) => Some((END, 0)),
            // Sixteen zeros are fifteen, and a coefficient of 0.
            (15, 0) => Some((16, 0)),
            (zeros, size @ 1..=10) => Some((zeros + 1, bits.value(size) as i16)),
            _ => None,
        }
    }
}

/// The coefficients, two at once, that bits hold together with their values: half of the time of a
/// photograph goes by waiting for where the next code begins.
pub(super) struct Pairs {
    /// By the next bits; 0 where they do not hold even one.
    pub by_bits: Box<[Pair; 1 << LOOK]>,
}

/// One coefficient, or two.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Pair(u64);

impl Pair {
    fn one(bits: u32, further: usize, value: i16) -> Pair {
        Pair(u64::from(bits) | (further as u64) << 8 | u64::from(value as u16) << 32)
    }

    fn followed_by(self, next: Pair) -> Pair {
        let bits = self.bits() + next.bits();
        let next = next.further().0 << 16
            | (next.bits() as usize) << 24
            | (next.values().0 as u16 as usize) << 48;
        Pair(self.0 & !0xff | u64::from(bits) | next as u64)
    }

    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Bits of both.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 as u32 & 0xff
    }

    /// Bits of the second; 0 if there is none.
    pub fn second_bits(self) -> u32 {
        (self.0 >> 24) as u32 & 0xff
    }

    /// How much further each is than the one before; [`END`] for an end of block.
    #[inline(always)]
    pub fn further(self) -> (usize, usize) {
        ((self.0 >> 8) as usize & 0xff, (self.0 >> 16) as usize & 0xff)
    }

    #[inline(always)]
    pub fn values(self) -> (i16, i16) {
        ((self.0 >> 32) as i16, (self.0 >> 48) as i16)
    }
}

impl Pairs {
    pub fn of(code: &Code) -> Pairs {
        let mut by_bits = Box::new([Pair::default(); 1 << LOOK]);
        for (bits, entry) in by_bits.iter_mut().enumerate() {
            let short = code.short[bits];
            let (length, zeros, size) =
                (u32::from(short >> 8), usize::from(short >> 4 & 15), u32::from(short & 15));
            let total = length + size;
            if length == 0 || total > LOOK {
                continue;
            }
            *entry = match (zeros, size) {
                (0, 0) => Pair::one(total, END, 0),
                (15, 0) => Pair::one(total, 16, 0),
                (_, 0) => continue, // of progressive images alone
                _ => {
                    let raw = (bits as u32 >> (LOOK - total)) & ((1 << size) - 1);
                    Pair::one(total, zeros + 1, extend(raw, size) as i16)
                }
            };
        }
        let single = by_bits.clone();
        for (bits, entry) in by_bits.iter_mut().enumerate() {
            let taken = entry.bits();
            let next = single[bits << taken & ((1 << LOOK) - 1)];
            let ends = entry.further().0 == END;
            if !entry.is_none() && !ends && !next.is_none() && taken + next.bits() <= LOOK {
                *entry = entry.followed_by(next);
            }
        }
        Pairs { by_bits }
    }
}

/// A value of so many bits: those with a leading zero are negative. Without a branch, for which one
/// it is cannot be guessed.
#[inline(always)]
fn extend(raw: u32, size: u32) -> i32 {
    let all = 1 << size;
    let negative = i32::from(raw < all >> 1);
    raw as i32 - (-negative & (all as i32 - 1))
}

/// Bits of a stretch of coded data. Behind its end there are zeros; [`Bits::left`] tells.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in `held` whole.
    at: usize,
    /// The next bits, from the top.
    held: u64,
    /// How many of them count.
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0, held: 0, count: 0 }
    }

    /// Brings another reader of the same bytes to where this one is.
    #[inline(always)]
    pub fn go_on_in(self, other: &mut Bits) {
        (other.at, other.held, other.count) = (self.at, self.held, self.count);
    }

    /// Makes sure of 56 bits.
    #[inline(always)]
    pub fn fill(&mut self) {
        match self.bytes.get(self.at..self.at + 8) {
            Some(next) => {
                let next = u64::from_be_bytes(next.try_into().expect("8 bytes"));
                // Bits that are held and do not count yet are the same ones again.
                self.held |= next >> (self.count & 63);
                self.at += (63 - self.count as usize) / 8;
                self.count |= 56;
            }
            None => {
                (self.at, self.held, self.count) =
                    filled_at_the_end(self.bytes, self.at, self.held, self.count);
            }
        }
    }

    #[inline(always)]
    pub fn peek(&self, bits: u32) -> u32 {
        (self.held >> (64 - bits)) as u32
    }

    #[inline(always)]
    pub fn skip(&mut self, bits: u32) {
        self.held <<= bits & 63;
        self.count = self.count.wrapping_sub(bits);
    }

    /// Goes back by so many bits.
    #[inline(always)]
    pub fn put_back(&mut self, bits: u32) {
        let place = 8 * self.at - (self.count + bits) as usize;
        (self.at, self.held, self.count) = (place / 8, 0, 0);
        self.fill();
        self.skip((place % 8) as u32);
    }

    /// A value of so many bits that are there.
    #[inline(always)]
    pub fn value(&mut self, size: u32) -> i32 {
        extend(self.raw(size), size)
    }

    /// A number of so many bits that are there.
    #[inline(always)]
    pub fn raw(&mut self, size: u32) -> u32 {
        // In two steps, for there may be none.
        let raw = self.held >> 1 >> (63 - size);
        self.skip(size);
        raw as u32
    }

    /// Bits that are left; negative, if more were taken than there are.
    pub fn left(&self) -> i64 {
        8 * (self.bytes.len() as i64 - self.at as i64) + i64::from(self.count)
    }
}

/// [`Bits::fill`], given and giving what changes: what is rarely called must not be given the bits
/// themselves, or they could not stay in registers.
#[cold]
#[inline(never)]
fn filled_at_the_end(
    bytes: &[u8],
    mut at: usize,
    mut held: u64,
    mut count: u32,
) -> (usize, u64, u32) {
    while count < 56 {
        let next = bytes.get(at).copied().unwrap_or(0);
        held |= u64::from(next) << (56 - count);
        at += 1;
        count += 8;
    }
    (at, held, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110, 1110 ... of length 1 to 15 for the symbols given.
    fn unary(symbols: &[u8]) -> Code {
        let mut counts = [0; 16];
        counts[..symbols.len()].fill(1);
        Code::new(&counts, symbols).unwrap()
    }

    fn packed(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, i| byte << 1 | bits.get(i).unwrap_or(&0));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn values_are_extended_as_the_standard_says() {
        assert_eq!([0, 1].map(|raw| extend(raw, 1)), [-1, 1]);
        assert_eq!([0, 3, 4, 7].map(|raw| extend(raw, 3)), [-7, -4, 4, 7]);
        assert_eq!(extend(0, 0), 0);
    }

    #[test]
    fn short_and_long_codes_are_read() {
        let code = unary(&[0x00, 0x21, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0a]);
        let bytes = packed("0  10 1  110  1111111111110 0000000000  0");
        let mut bits = Bits::new(&bytes);
        let found: Vec<_> = (0..5).map(|_| code.coefficient(&mut bits).unwrap()).collect();
        assert_eq!(found, [(END, 0), (3, 1), (16, 0), (1, -1023), (END, 0)]);
        assert!((0..8).contains(&bits.left()));
    }

    #[test]
    fn pairs_are_what_is_read_one_after_another() {
        let code = unary(&[0x01, 0x00, 0x12, 0xf0, 0x03, 0x05]);
        let pairs = Pairs::of(&code);
        let (mut none, mut two) = (0, 0);
        for start in 0..1u32 << LOOK {
            let bytes = (start << (32 - LOOK)).to_be_bytes();
            let mut bits = Bits::new(&bytes);
            let pair = pairs.by_bits[start as usize];
            if pair.is_none() {
                none += 1;
                continue;
            }
            let (further, value) = code.coefficient(&mut bits).unwrap();
            assert_eq!((pair.further().0, pair.values().0), (further, value));
            if pair.second_bits() > 0 {
                two += 1;
                assert_ne!(further, END);
                let (further, value) = code.coefficient(&mut bits).unwrap();
                assert_eq!((pair.further().1, pair.values().1), (further, value));
            } else {
                assert_eq!((pair.further().1, pair.values().1), (0, 0));
            }
            assert_eq!(i64::from(pair.bits()), 32 - bits.left());
        }
        assert!(none > 0 && two > none, "{none} {two}");
    }

    #[test]
    fn bits_that_are_put_back_come_again() {
        let bytes: Vec<u8> = (0..40).map(|i| i * 37).collect();
        let mut bits = Bits::new(&bytes);
        for taken in (0..30).map(|i| i % 12 + 1) {
            bits.fill();
            let before = bits.peek(20);
            bits.skip(taken);
            bits.put_back(taken);
            assert_eq!(bits.peek(20), before);
            bits.skip(taken);
        }
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        let read =
            |bits: &str, symbols: &[u8]| unary(symbols).coefficient(&mut Bits::new(&packed(bits)));
        assert_eq!(read("1111111111111111", &[0x00, 0x01]), None);
        assert_eq!(read("0", &[0x50]), None);
        assert_eq!(read("0", &[0x0b]), None);
        assert_eq!(unary(&[12]).difference(&mut Bits::new(&[0; 8])), None);
        let mut bits = Bits::new(&[]);
        unary(&[0x0a]).coefficient(&mut bits);
        assert!(bits.left() < 0);
    }

    #[test]
    fn what_is_no_prefix_code_is_refused() {
        let counts = |length: usize, count| {
            let mut counts = [0; 16];
            counts[length - 1] = count;
            counts
        };
        assert!(Code::new(&counts(1, 2), &[0, 1]).is_none());
        assert!(Code::new(&counts(1, 1), &[0]).is_some());
        assert!(Code::new(&counts(3, 1), &[]).is_none());
        assert!(Code::new(&counts(3, 1), &[1, 2]).is_none());
    }
}
