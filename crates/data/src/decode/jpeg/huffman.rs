//! Huffman tables and the bit reader (ITU-T T.81, annexes C and F.2).

/// The number of bits that index a lookup table.
pub(super) const LOOKUP_BITS: u32 = 10;
/// Coefficient advance of an end of block: beyond all coefficients.
pub(super) const END_OF_BLOCK: usize = 128;

/// A Huffman table, as DHT defines it.
pub(super) struct HuffmanTable {
    /// Indexed by the next bits: code length and symbol, or 0 for a longer code.
    short: Box<[u16; 1 << LOOKUP_BITS]>,
    /// Exclusive upper bound of the codes up to each length, left-aligned to 16 bits.
    below: [u32; 17],
    /// For each length, the offset from a code to the index of its symbol.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// Returns `None` if the counts and symbols are not a prefix code.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<HuffmanTable> {
        let mut code = HuffmanTable {
            short: Box::new([0; 1 << LOOKUP_BITS]),
            below: [0; 17],
            offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut next, mut place) = (0u32, 0usize);
        for length in 1..=16 {
            code.offset[length as usize] = place as i32 - next as i32;
            for _ in 0..counts[length as usize - 1] {
                // A code of all ones is reserved.
                if next + 1 >= 1 << length {
                    return None;
                }
                let &symbol = symbols.get(place)?;
                if let Some(free) = LOOKUP_BITS.checked_sub(length) {
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

    /// Reads the next symbol. Consumes up to 16 bits.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut BitReader) -> Option<u8> {
        let short = self.short[bits.peek(LOOKUP_BITS) as usize];
        if short != 0 {
            bits.skip(u32::from(short >> 8));
            return Some(short as u8);
        }
        let (symbol, length) = self.long_symbol(bits.peek(16))?;
        bits.skip(length);
        Some(symbol)
    }

    /// Returns the symbol that 16 bits begin with, and the length of its code.
    #[cold]
    #[inline(never)]
    fn long_symbol(&self, next: u32) -> Option<(u8, u32)> {
        let length = (LOOKUP_BITS as usize + 1..=16).find(|&length| next < self.below[length])?;
        let code = (next >> (16 - length)) as i32;
        let place = usize::try_from(code + self.offset[length]).ok()?;
        Some((*self.symbols.get(place)?, length as u32))
    }

    /// Reads the difference of a DC coefficient to its predecessor. Consumes up to 27 bits.
    #[inline(always)]
    pub fn difference(&self, bits: &mut BitReader) -> Option<i32> {
        match self.symbol(bits)? {
            size @ 0..=11 => Some(bits.value(size.into())),
            _ => None,
        }
    }

    /// Reads the advance to the next AC coefficient, and its value. Consumes up to 26 bits. Returns
    /// `None` for symbols that no encoder writes.
    pub fn coefficient(&self, bits: &mut BitReader) -> Option<(usize, i16)> {
        let symbol = self.symbol(bits)?;
        match (usize::from(symbol >> 4), u32::from(symbol & 15)) {
            (0, 0) => Some((END_OF_BLOCK, 0)),
            // ZRL: fifteen zeros and a coefficient of 0.
            (15, 0) => Some((16, 0)),
            (zeros, size @ 1..=10) => Some((zeros + 1, bits.value(size) as i16)),
            _ => None,
        }
    }
}

/// Result of one table lookup: a DC difference, one or two AC coefficients, or an end of block.
/// The bits of a value may exceed the lookup; the bits of its code may not.
///
/// The fields are separate bytes, because a CPU executes more loads in parallel than shifts.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
#[repr(C, align(8))]
pub(super) struct LookupEntry {
    /// Bits consumed.
    pub bits: u8,
    /// Advance to the first coefficient.
    pub advance: u8,
    /// Advance to the last coefficient, plus [`END_OF_BLOCK`] if the block ends.
    pub last: u8,
    /// Value of the second coefficient, or 0.
    pub second: i8,
    /// Value of the first coefficient, without the bits that are beyond the lookup.
    value: i16,
    /// Position and number of those bits within 64 bits.
    place: u16,
}

/// [`LookupEntry`]s indexed by the next bits.
pub(super) type LookupTable = [LookupEntry; 1 << LOOKUP_BITS];

impl LookupEntry {
    /// The code is longer than the lookup. Acts like an advance beyond the last coefficient.
    const NONE: LookupEntry =
        LookupEntry { bits: 0, advance: 0, last: 64, second: 0, value: 0, place: 0 };

    /// Entry for a coefficient whose code is the first `length` bits of `bits`.
    fn value(bits: u32, length: u32, size: u32, advance: u8) -> LookupEntry {
        let leading = bits >> (LOOKUP_BITS - 1 - length) & 1;
        let whole = length + size <= LOOKUP_BITS;
        let raw = if whole { bits >> (LOOKUP_BITS - length - size) & ((1 << size) - 1) } else { 0 };
        let value = match (size, leading) {
            (1.., 0) => raw as i32 - ((1 << size) - 1),
            _ => raw as i32,
        };
        let place = if whole { 0 } else { (64 - length - size) | (size << 8) };
        LookupEntry {
            bits: (length + size) as u8,
            advance,
            last: advance,
            second: 0,
            value: value as i16,
            place: place as u16,
        }
    }

    fn end(length: u32) -> LookupEntry {
        LookupEntry {
            bits: length as u8,
            advance: END_OF_BLOCK as u8,
            last: END_OF_BLOCK as u8,
            ..LookupEntry::default()
        }
    }

    /// Combines this entry with the next, if both are completely decoded.
    fn followed_by(self, next: LookupEntry) -> Option<LookupEntry> {
        let bits = self.bits + next.bits;
        let second = i8::try_from(next.value).ok()?;
        let whole = |step: LookupEntry| step != LookupEntry::NONE && step.place == 0;
        let fits = u32::from(bits) <= LOOKUP_BITS && self.advance != END_OF_BLOCK as u8;
        (whole(self) && whole(next) && fits).then_some(LookupEntry {
            bits,
            last: self.advance + next.last,
            second,
            ..self
        })
    }

    /// Value of the first coefficient. `bits` are those that the entry was looked up with.
    #[inline(always)]
    pub fn first<const FAST: bool>(&self, bits: &BitReader) -> i16 {
        #[cfg(target_arch = "x86_64")]
        if FAST {
            // SAFETY: callers pass FAST only after detecting BMI1.
            let raw = unsafe { std::arch::x86_64::_bextr2_u64(bits.held, self.place.into()) };
            return self.value.wrapping_add(raw as i16);
        }
        let raw = bits.held >> (self.place & 63) & ((1 << (self.place >> 8)) - 1);
        self.value.wrapping_add(raw as i16)
    }
}

/// Fills a lookup table for DC coefficients.
pub(super) fn fill_dc_lookup(code: &HuffmanTable, steps: &mut LookupTable) {
    for (bits, (step, short)) in steps.iter_mut().zip(&*code.short).enumerate() {
        let (length, size) = (u32::from(short >> 8), u32::from(short & 0xff));
        *step = match (length, size) {
            (1..LOOKUP_BITS, 0..=11) => LookupEntry::value(bits as u32, length, size, 0),
            _ => LookupEntry::NONE,
        };
    }
}

/// Fills a lookup table for AC coefficients.
pub(super) fn fill_ac_lookup(code: &HuffmanTable, steps: &mut LookupTable) {
    for (bits, (step, short)) in steps.iter_mut().zip(&*code.short).enumerate() {
        let length = u32::from(short >> 8);
        *step = match (length, usize::from(short >> 4 & 15), u32::from(short & 15)) {
            (1..LOOKUP_BITS, 0, 0) => LookupEntry::end(length),
            (1..LOOKUP_BITS, 15, 0) => LookupEntry::value(bits as u32, length, 0, 16),
            (1..LOOKUP_BITS, zeros, size @ 1..=10) => {
                LookupEntry::value(bits as u32, length, size, zeros as u8 + 1)
            }
            _ => LookupEntry::NONE, // used by progressive images only, or a longer code
        };
    }
    let single = *steps;
    for (bits, step) in steps.iter_mut().enumerate() {
        let next = single[bits << step.bits & ((1 << LOOKUP_BITS) - 1)];
        *step = step.followed_by(next).unwrap_or(*step);
    }
}

/// Sign extension of a coefficient (ITU-T T.81, F.2.2.1), without a branch that would be
/// mispredicted.
#[inline(always)]
fn extend(raw: u32, size: u32) -> i32 {
    let all = 1 << size;
    let negative = i32::from(raw < all >> 1);
    raw as i32 - (-negative & (all as i32 - 1))
}

/// Reads bits of a restart interval. Zeros follow its end; see [`BitReader::left`].
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The next byte that is not completely in `held`.
    at: usize,
    /// The next bits, left-aligned.
    held: u64,
    /// The number of valid bits in `held`.
    count: u32,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, at: 0, held: 0, count: 0 }
    }

    /// Continues at the position of another reader of the same bytes.
    #[inline(always)]
    pub fn resume_at(&mut self, (at, held, count): (usize, u64, u32)) {
        (self.at, self.held, self.count) = (at, held, count);
    }

    /// Ensures at least 56 valid bits.
    #[inline(always)]
    pub fn fill(&mut self) {
        match self.bytes.get(self.at..self.at + 8) {
            Some(next) => {
                let next = u64::from_be_bytes(next.try_into().expect("8 bytes"));
                // The bits beyond `count` are the same in `held` and `next`.
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

    /// Decodes a DC difference or an AC coefficient without the lookup table, and returns it with
    /// the position behind it.
    #[inline(always)]
    pub fn rare(
        &self,
        codes: [&HuffmanTable; 2],
        first: bool,
    ) -> (Option<(usize, i16)>, (usize, u64, u32)) {
        rare(codes, first, self.bytes, self.at, self.held, self.count)
    }

    /// Reads a signed value of `size` valid bits.
    #[inline(always)]
    pub fn value(&mut self, size: u32) -> i32 {
        extend(self.raw(size), size)
    }

    /// Reads an unsigned value of `size` valid bits.
    #[inline(always)]
    pub fn raw(&mut self, size: u32) -> u32 {
        // Two shifts, because `size` may be 0.
        let raw = self.held >> 1 >> (63 - size);
        self.skip(size);
        raw as u32
    }

    /// Bits left; negative if more were consumed than exist.
    pub fn left(&self) -> i64 {
        8 * (self.bytes.len() as i64 - self.at as i64) + i64::from(self.count)
    }
}

/// The rare part of [`BitReader::fill`]. Takes and returns the fields, because passing the reader
/// by reference would force it out of registers.
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

/// The body of [`BitReader::rare`]; see [`filled_at_the_end`]. Fills before and after decoding.
#[cold]
#[inline(never)]
fn rare(
    [first_code, code]: [&HuffmanTable; 2],
    first: bool,
    bytes: &[u8],
    at: usize,
    held: u64,
    count: u32,
) -> (Option<(usize, i16)>, (usize, u64, u32)) {
    let mut bits = BitReader { bytes, at, held, count };
    bits.fill();
    let found = if first {
        first_code.difference(&mut bits).map(|difference| (0, difference as i16))
    } else {
        code.coefficient(&mut bits)
    };
    bits.fill();
    (found, (bits.at, bits.held, bits.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110, 1110 ... of lengths 1 to 15 for the given symbols.
    fn unary(symbols: &[u8]) -> HuffmanTable {
        let mut counts = [0; 16];
        counts[..symbols.len()].fill(1);
        HuffmanTable::new(&counts, symbols).unwrap()
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
        let mut bits = BitReader::new(&bytes);
        let mut next = || {
            bits.fill();
            code.coefficient(&mut bits).unwrap()
        };
        let found: Vec<_> = (0..5).map(|_| next()).collect();
        assert_eq!(found, [(END_OF_BLOCK, 0), (3, 1), (16, 0), (1, -1023), (END_OF_BLOCK, 0)]);
        assert!((0..8).contains(&bits.left()));
    }

    #[test]
    fn ac_lookup_matches_symbol_by_symbol_decoding() {
        let code = unary(&[0x01, 0x00, 0x12, 0xf0, 0x03, 0x05, 0x0a]);
        let mut steps = [LookupEntry::default(); 1 << LOOKUP_BITS];
        fill_ac_lookup(&code, &mut steps);
        let (mut none, mut two, mut long) = (0, 0, 0);
        for more in [0, 0x5a5_a5a5, u32::MAX] {
            for start in 0..1u32 << LOOKUP_BITS {
                let bytes = u64::from(start << (32 - LOOKUP_BITS) | more >> LOOKUP_BITS) << 32;
                let bytes = bytes.to_be_bytes();
                let (mut bits, mut looked) = (BitReader::new(&bytes), BitReader::new(&bytes));
                bits.fill();
                looked.fill();
                let step = steps[start as usize];
                if step == LookupEntry::NONE {
                    none += 1;
                    continue;
                }
                let (advance, value) = code.coefficient(&mut bits).unwrap();
                assert_eq!(usize::from(step.advance), advance);
                assert_eq!(step.first::<false>(&looked), value);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("bmi1") {
                    assert_eq!(step.first::<true>(&looked), value);
                }
                if usize::from(step.last) == advance {
                    assert_eq!(
                        (step.second, usize::from(step.last) == END_OF_BLOCK),
                        (0, advance == END_OF_BLOCK)
                    );
                } else {
                    let (next, value) = code.coefficient(&mut bits).unwrap();
                    assert_eq!(
                        (usize::from(step.last), i16::from(step.second)),
                        (advance + next, value)
                    );
                    two += 1;
                }
                long += u32::from(u32::from(step.bits) > LOOKUP_BITS);
                assert_eq!(i64::from(step.bits), 64 - bits.left());
            }
        }
        assert!(none > 0 && long > none && two > long, "{none} {long} {two}");
    }

    #[test]
    fn steps_of_first_coefficients_are_their_differences() {
        let code = unary(&[0, 3, 11, 12, 5]);
        let mut steps = [LookupEntry::default(); 1 << LOOKUP_BITS];
        fill_dc_lookup(&code, &mut steps);
        for start in 0..1u32 << LOOKUP_BITS {
            let bytes = (u64::from(start) << (64 - LOOKUP_BITS) | 0x1234_5678_9abc).to_be_bytes();
            let (mut bits, mut looked) = (BitReader::new(&bytes), BitReader::new(&bytes));
            bits.fill();
            looked.fill();
            let step = steps[start as usize];
            match code.difference(&mut bits) {
                Some(difference) if step != LookupEntry::NONE => {
                    assert_eq!(i32::from(step.first::<false>(&looked)), difference);
                    assert_eq!(step.last, 0);
                    assert_eq!(i64::from(step.bits), 64 - bits.left());
                }
                // 12 is no DC category, and no code begins with five ones.
                _ => assert!(step == LookupEntry::NONE && start >> (LOOKUP_BITS - 4) >= 0b1110),
            }
        }
    }

    #[test]
    fn refuses_invalid_symbols() {
        let read = |bits: &str, symbols: &[u8]| {
            let bytes = packed(bits);
            let mut bits = BitReader::new(&bytes);
            bits.fill();
            unary(symbols).coefficient(&mut bits)
        };
        assert_eq!(read("1111111111111111", &[0x00, 0x01]), None);
        assert_eq!(read("0", &[0x50]), None);
        assert_eq!(read("0", &[0x0b]), None);
        assert_eq!(unary(&[12]).difference(&mut BitReader::new(&[0; 8])), None);
        let mut bits = BitReader::new(&[]);
        bits.fill();
        unary(&[0x0a]).coefficient(&mut bits);
        assert!(bits.left() < 0);
    }

    #[test]
    fn refuses_counts_that_are_no_prefix_code() {
        let counts = |length: usize, count| {
            let mut counts = [0; 16];
            counts[length - 1] = count;
            counts
        };
        assert!(HuffmanTable::new(&counts(1, 2), &[0, 1]).is_none());
        assert!(HuffmanTable::new(&counts(1, 1), &[0]).is_some());
        assert!(HuffmanTable::new(&counts(3, 1), &[]).is_none());
        assert!(HuffmanTable::new(&counts(3, 1), &[1, 2]).is_none());
    }
}
