//! Huffman tables and the bit reader (ITU-T T.81, annexes C and F.2).

/// The number of bits that index a lookup table.
pub(super) const LOOKUP_BITS: u32 = 10;
/// Advance of the zigzag index at an end-of-block code (EOB): a bit that no index of a coefficient
/// has, so that one byte represents both the index and the end of the block.
pub(super) const END_OF_BLOCK: usize = 128;

/// A Huffman table of a DHT segment.
pub(super) struct HuffmanTable {
    /// Code length (high byte) and symbol by the next bits; 0 for a longer code.
    short_codes: Box<[u16; 1 << LOOKUP_BITS]>,
    /// Exclusive upper bound of the codes up to each length, left-aligned to 16 bits.
    code_limit: [u32; 17],
    /// For each length, the offset from a code to the index of its symbol.
    symbol_offset: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// Builds a table from the number of codes of each length and their symbols. Returns `None` if
    /// they are not a prefix code.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<HuffmanTable> {
        let mut table = HuffmanTable {
            short_codes: Box::new([0; 1 << LOOKUP_BITS]),
            code_limit: [0; 17],
            symbol_offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16 {
            table.symbol_offset[length as usize] = index as i32 - code as i32;
            for _ in 0..counts[length as usize - 1] {
                // A code of all ones is reserved.
                if code + 1 >= 1 << length {
                    return None;
                }
                let &symbol = symbols.get(index)?;
                if let Some(free_bits) = LOOKUP_BITS.checked_sub(length) {
                    let start = (code << free_bits) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    table.short_codes[start..start + (1 << free_bits)].fill(entry);
                }
                code += 1;
                index += 1;
            }
            table.code_limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        (index == symbols.len()).then_some(table)
    }

    /// Returns whether all symbols are sizes of DC differences in bits (0 to 15), as libjpeg
    /// requires.
    pub fn is_dc_table(&self) -> bool {
        self.symbols.iter().all(|&size| size < 16)
    }

    /// Reads the next symbol. Consumes up to 16 bits.
    #[inline(always)]
    fn read_symbol(&self, bits: &mut BitReader) -> Option<u8> {
        let entry = self.short_codes[bits.peek(LOOKUP_BITS) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        let (symbol, length) = self.find_long_code(bits.peek(16))?;
        bits.skip(length);
        Some(symbol)
    }

    /// Reads the next symbol of data that may be damaged. Like libjpeg, consumes 17 bits of an
    /// invalid code and returns the symbol 0.
    pub fn read_symbol_or_zero(&self, bits: &mut BitReader) -> u8 {
        self.read_symbol(bits).unwrap_or_else(|| {
            bits.skip(17);
            0
        })
    }

    /// Returns the symbol and the length of the code with which `next_bits` (16 bits) starts. The
    /// code is longer than [`LOOKUP_BITS`].
    #[cold]
    #[inline(never)]
    fn find_long_code(&self, next_bits: u32) -> Option<(u8, u32)> {
        let length =
            (LOOKUP_BITS as usize + 1..=16).find(|&length| next_bits < self.code_limit[length])?;
        let code = (next_bits >> (16 - length)) as i32;
        let index = usize::try_from(code + self.symbol_offset[length]).ok()?;
        Some((*self.symbols.get(index)?, length as u32))
    }

    /// Reads the difference of a DC coefficient from its predecessor. Consumes up to 27 bits.
    #[inline(always)]
    fn read_dc(&self, bits: &mut BitReader) -> Option<i32> {
        match self.read_symbol(bits)? {
            size @ 0..=11 => Some(bits.read_signed(size.into())),
            _ => None,
        }
    }

    /// Reads the advance to the next AC coefficient, and its value. Consumes up to 26 bits. Returns
    /// `None` for symbols that no encoder writes.
    fn read_ac(&self, bits: &mut BitReader) -> Option<(usize, i16)> {
        let symbol = self.read_symbol(bits)?;
        match (usize::from(symbol >> 4), u32::from(symbol & 15)) {
            (0, 0) => Some((END_OF_BLOCK, 0)),
            // ZRL: fifteen zeros and a coefficient of 0.
            (15, 0) => Some((16, 0)),
            (zeros, size @ 1..=10) => Some((zeros + 1, bits.read_signed(size) as i16)),
            _ => None,
        }
    }
}

/// Result of one table lookup: a DC difference, one or two AC coefficients, or an end of block. The
/// code has at most [`LOOKUP_BITS`] bits; code and value together may have more.
///
/// The fields are separate bytes, because a CPU executes more loads in parallel than shifts.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
#[repr(C, align(8))]
pub(super) struct LookupEntry {
    /// Bits consumed.
    pub bits: u8,
    /// Advance of the zigzag index to the first coefficient.
    pub advance: u8,
    /// Advance to the last coefficient, plus [`END_OF_BLOCK`] if the block ends.
    pub last: u8,
    /// Value of the second coefficient; 0 without a second coefficient.
    pub second: i8,
    /// Value of the first coefficient, without the value bits beyond the lookup.
    value: i16,
    /// The value bits beyond the lookup: shift (low byte) and number (high byte) within the buffer
    /// of 64 bits, as the BEXTR instruction takes them.
    extra_bits: u16,
}

/// Lookup entries by the next [`LOOKUP_BITS`] bits.
pub(super) type LookupTable = [LookupEntry; 1 << LOOKUP_BITS];

impl LookupEntry {
    /// Entry of a code longer than the lookup. The advance exceeds the last coefficient, so that the
    /// decoder decodes the code without the lookup.
    const NONE: LookupEntry =
        LookupEntry { bits: 0, advance: 0, last: 64, second: 0, value: 0, extra_bits: 0 };

    /// Returns the entry of a coefficient with a code of `length` bits and a value of `size` bits,
    /// with which `bits` ([`LOOKUP_BITS`] bits) starts.
    fn from_coefficient(bits: u32, length: u32, size: u32, advance: u8) -> LookupEntry {
        let sign_bit = bits >> (LOOKUP_BITS - 1 - length) & 1;
        let is_complete = length + size <= LOOKUP_BITS;
        let raw =
            if is_complete { bits >> (LOOKUP_BITS - length - size) & ((1 << size) - 1) } else { 0 };
        let value = match (size, sign_bit) {
            (1.., 0) => raw as i32 - ((1 << size) - 1),
            _ => raw as i32,
        };
        let extra_bits = if is_complete { 0 } else { (64 - length - size) | (size << 8) };
        LookupEntry {
            bits: (length + size) as u8,
            advance,
            last: advance,
            second: 0,
            value: value as i16,
            extra_bits: extra_bits as u16,
        }
    }

    /// Returns the entry of an end of block with a code of `length` bits.
    fn end_of_block(length: u32) -> LookupEntry {
        LookupEntry {
            bits: length as u8,
            advance: END_OF_BLOCK as u8,
            last: END_OF_BLOCK as u8,
            ..LookupEntry::default()
        }
    }

    /// Combines this entry with the next. Returns `None` if they do not fit into one entry, or if
    /// a value has bits beyond the lookup.
    fn followed_by(self, next: LookupEntry) -> Option<LookupEntry> {
        let bits = self.bits + next.bits;
        let second = i8::try_from(next.value).ok()?;
        let is_complete = |entry: LookupEntry| entry != LookupEntry::NONE && entry.extra_bits == 0;
        let fits = u32::from(bits) <= LOOKUP_BITS && self.advance != END_OF_BLOCK as u8;
        // Without `fits`, the sum of the advances may exceed 255.
        (is_complete(self) && is_complete(next) && fits).then(|| LookupEntry {
            bits,
            last: self.advance + next.last,
            second,
            ..self
        })
    }

    /// Returns the value of the first coefficient. `bits` must still be at the position for which
    /// the entry was looked up.
    #[inline(always)]
    pub fn first_value<const BMI: bool>(&self, bits: &BitReader) -> i16 {
        #[cfg(target_arch = "x86_64")]
        if BMI {
            // SAFETY: callers pass `BMI` only after detecting BMI1.
            let raw =
                unsafe { std::arch::x86_64::_bextr2_u64(bits.buffer, self.extra_bits.into()) };
            return self.value.wrapping_add(raw as i16);
        }
        let raw = bits.buffer >> (self.extra_bits & 63) & ((1 << (self.extra_bits >> 8)) - 1);
        self.value.wrapping_add(raw as i16)
    }
}

/// Fills a lookup table for DC coefficients.
pub(super) fn fill_dc_lookup(table: &HuffmanTable, lookup: &mut LookupTable) {
    for (bits, (entry, short_code)) in lookup.iter_mut().zip(&*table.short_codes).enumerate() {
        let (length, size) = (u32::from(short_code >> 8), u32::from(short_code & 0xff));
        *entry = match (length, size) {
            (1..LOOKUP_BITS, 0..=11) => LookupEntry::from_coefficient(bits as u32, length, size, 0),
            _ => LookupEntry::NONE,
        };
    }
}

/// Fills a lookup table for AC coefficients.
pub(super) fn fill_ac_lookup(table: &HuffmanTable, lookup: &mut LookupTable) {
    for (bits, (entry, short_code)) in lookup.iter_mut().zip(&*table.short_codes).enumerate() {
        let length = u32::from(short_code >> 8);
        let (zeros, size) = (short_code >> 4 & 15, u32::from(short_code & 15));
        *entry = match (length, zeros, size) {
            (1..LOOKUP_BITS, 0, 0) => LookupEntry::end_of_block(length),
            (1..LOOKUP_BITS, 15, 0) => LookupEntry::from_coefficient(bits as u32, length, 0, 16),
            (1..LOOKUP_BITS, _, 1..=10) => {
                LookupEntry::from_coefficient(bits as u32, length, size, zeros as u8 + 1)
            }
            _ => LookupEntry::NONE, // a longer code, or a symbol of progressive images
        };
    }
    let single = *lookup;
    for (bits, entry) in lookup.iter_mut().enumerate() {
        let next = single[bits << entry.bits & ((1 << LOOKUP_BITS) - 1)];
        *entry = entry.followed_by(next).unwrap_or(*entry);
    }
}

/// Sign extension of a coefficient (ITU-T T.81, F.2.2.1), without a branch that would be
/// mispredicted.
#[inline(always)]
fn extend(raw: u32, size: u32) -> i32 {
    let range = 1 << size;
    let is_negative = i32::from(raw < range >> 1);
    raw as i32 - (-is_negative & (range as i32 - 1))
}

/// Reads the bits of a restart interval. Zeros follow the end of the data; see
/// [`BitReader::bits_left`].
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Index of the first byte that is not completely in `buffer`.
    position: usize,
    /// The next bits, left-aligned.
    buffer: u64,
    /// The number of valid bits in `buffer`.
    count: u32,
}

/// The fields `position`, `buffer` and `count` of a [`BitReader`]. Cold functions take and return
/// them, because passing the reader by reference would force its fields out of registers.
pub(super) type ReaderState = (usize, u64, u32);

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, position: 0, buffer: 0, count: 0 }
    }

    /// Continues in the state of another reader of the same bytes.
    #[inline(always)]
    pub fn set_state(&mut self, state: ReaderState) {
        (self.position, self.buffer, self.count) = state;
    }

    /// Ensures at least 56 valid bits.
    #[inline(always)]
    pub fn fill(&mut self) {
        match self.bytes.get(self.position..self.position + 8) {
            Some(next) => {
                let next = u64::from_be_bytes(next.try_into().expect("8 bytes"));
                // `buffer` may have bits beyond `count`: they equal those of `next`.
                self.buffer |= next >> (self.count & 63);
                self.position += (63 - self.count as usize) / 8;
                self.count |= 56;
            }
            None => {
                let state = (self.position, self.buffer, self.count);
                self.set_state(fill_near_end(self.bytes, state));
            }
        }
    }

    /// Returns the next bits without consuming them.
    #[inline(always)]
    pub fn peek(&self, bits: u32) -> u32 {
        (self.buffer >> (64 - bits)) as u32
    }

    #[inline(always)]
    pub fn skip(&mut self, bits: u32) {
        self.buffer <<= bits & 63;
        self.count = self.count.wrapping_sub(bits);
    }

    /// Decodes a DC difference or an AC coefficient without the lookup table. Returns the advance
    /// and the value, and the state after them.
    #[inline(always)]
    pub fn decode_without_lookup(
        &self,
        tables: [&HuffmanTable; 2],
        is_dc: bool,
    ) -> (Option<(usize, i16)>, ReaderState) {
        decode_without_lookup(tables, is_dc, self.bytes, (self.position, self.buffer, self.count))
    }

    /// Reads a signed value of `size` bits, which must be valid.
    #[inline(always)]
    pub fn read_signed(&mut self, size: u32) -> i32 {
        extend(self.read_unsigned(size), size)
    }

    /// Reads an unsigned value of `size` bits, which must be valid.
    #[inline(always)]
    pub fn read_unsigned(&mut self, size: u32) -> u32 {
        // Two shifts, because `size` may be 0.
        let raw = self.buffer >> 1 >> (63 - size);
        self.skip(size);
        raw as u32
    }

    /// Returns the number of bits left; negative if more were consumed than exist.
    pub fn bits_left(&self) -> i64 {
        8 * (self.bytes.len() as i64 - self.position as i64) + i64::from(self.count)
    }
}

/// The slow path of [`BitReader::fill`], with fewer than eight bytes left.
#[cold]
#[inline(never)]
fn fill_near_end(bytes: &[u8], (mut position, mut buffer, mut count): ReaderState) -> ReaderState {
    while count < 56 {
        let next = bytes.get(position).copied().unwrap_or(0);
        buffer |= u64::from(next) << (56 - count);
        position += 1;
        count += 8;
    }
    (position, buffer, count)
}

/// The body of [`BitReader::decode_without_lookup`]. Fills the buffer before and after decoding.
#[cold]
#[inline(never)]
fn decode_without_lookup(
    [dc_table, ac_table]: [&HuffmanTable; 2],
    is_dc: bool,
    bytes: &[u8],
    (position, buffer, count): ReaderState,
) -> (Option<(usize, i16)>, ReaderState) {
    let mut bits = BitReader { bytes, position, buffer, count };
    bits.fill();
    let coefficient = if is_dc {
        dc_table.read_dc(&mut bits).map(|difference| (0, difference as i16))
    } else {
        ac_table.read_ac(&mut bits)
    };
    bits.fill();
    (coefficient, (bits.position, bits.buffer, bits.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a table with the codes 0, 10, 110, 1110, ... for the given symbols.
    fn unary_table(symbols: &[u8]) -> HuffmanTable {
        let mut counts = [0; 16];
        counts[..symbols.len()].fill(1);
        HuffmanTable::new(&counts, symbols).unwrap()
    }

    fn pack_bits(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, i| byte << 1 | bits.get(i).unwrap_or(&0));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn extend_matches_the_standard() {
        assert_eq!([0, 1].map(|raw| extend(raw, 1)), [-1, 1]);
        assert_eq!([0, 3, 4, 7].map(|raw| extend(raw, 3)), [-7, -4, 4, 7]);
        assert_eq!(extend(0, 0), 0);
    }

    #[test]
    fn decodes_short_and_long_codes() {
        let table = unary_table(&[0x00, 0x21, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0a]);
        let bytes = pack_bits("0  10 1  110  1111111111110 0000000000  0");
        let mut bits = BitReader::new(&bytes);
        let mut next = || {
            bits.fill();
            table.read_ac(&mut bits).unwrap()
        };
        let coefficients: Vec<_> = (0..5).map(|_| next()).collect();
        assert_eq!(
            coefficients,
            [(END_OF_BLOCK, 0), (3, 1), (16, 0), (1, -1023), (END_OF_BLOCK, 0)]
        );
        assert!((0..8).contains(&bits.bits_left()));
    }

    #[test]
    fn ac_lookup_matches_symbol_by_symbol_decoding() {
        let table = unary_table(&[0x01, 0x00, 0x12, 0xf0, 0x03, 0x05, 0x0a]);
        let mut lookup = [LookupEntry::default(); 1 << LOOKUP_BITS];
        fill_ac_lookup(&table, &mut lookup);
        // Entries without a code, with two coefficients, and with value bits beyond the lookup.
        let (mut none, mut two, mut long) = (0, 0, 0);
        for rest in [0, 0x5a5_a5a5, u32::MAX] {
            for start in 0..1u32 << LOOKUP_BITS {
                let bytes = u64::from(start << (32 - LOOKUP_BITS) | rest >> LOOKUP_BITS) << 32;
                let bytes = bytes.to_be_bytes();
                let mut bits = BitReader::new(&bytes);
                bits.fill();
                let bits_at_start = bits;
                let entry = lookup[start as usize];
                if entry == LookupEntry::NONE {
                    none += 1;
                    continue;
                }
                let (advance, value) = table.read_ac(&mut bits).unwrap();
                assert_eq!(usize::from(entry.advance), advance);
                assert_eq!(entry.first_value::<false>(&bits_at_start), value);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("bmi1") {
                    assert_eq!(entry.first_value::<true>(&bits_at_start), value);
                }
                if usize::from(entry.last) == advance {
                    assert_eq!(
                        (entry.second, usize::from(entry.last) == END_OF_BLOCK),
                        (0, advance == END_OF_BLOCK)
                    );
                } else {
                    let (next, value) = table.read_ac(&mut bits).unwrap();
                    assert_eq!(
                        (usize::from(entry.last), i16::from(entry.second)),
                        (advance + next, value)
                    );
                    two += 1;
                }
                long += u32::from(u32::from(entry.bits) > LOOKUP_BITS);
                assert_eq!(i64::from(entry.bits), 64 - bits.bits_left());
            }
        }
        assert!(none > 0 && long > none && two > long, "{none} {long} {two}");
    }

    #[test]
    fn dc_lookup_matches_symbol_by_symbol_decoding() {
        let table = unary_table(&[0, 3, 11, 12, 5]);
        let mut lookup = [LookupEntry::default(); 1 << LOOKUP_BITS];
        fill_dc_lookup(&table, &mut lookup);
        for start in 0..1u32 << LOOKUP_BITS {
            let bytes = (u64::from(start) << (64 - LOOKUP_BITS) | 0x1234_5678_9abc).to_be_bytes();
            let mut bits = BitReader::new(&bytes);
            bits.fill();
            let bits_at_start = bits;
            let entry = lookup[start as usize];
            match table.read_dc(&mut bits) {
                Some(difference) if entry != LookupEntry::NONE => {
                    assert_eq!(i32::from(entry.first_value::<false>(&bits_at_start)), difference);
                    assert_eq!(entry.last, 0);
                    assert_eq!(i64::from(entry.bits), 64 - bits.bits_left());
                }
                // 12 is not a DC category, and no code starts with five ones.
                _ => assert!(entry == LookupEntry::NONE && start >> (LOOKUP_BITS - 4) >= 0b1110),
            }
        }
    }

    #[test]
    fn refuses_invalid_symbols() {
        let decode = |bits: &str, symbols: &[u8]| {
            let bytes = pack_bits(bits);
            let mut bits = BitReader::new(&bytes);
            bits.fill();
            unary_table(symbols).read_ac(&mut bits)
        };
        assert_eq!(decode("1111111111111111", &[0x00, 0x01]), None);
        assert_eq!(decode("0", &[0x50]), None);
        assert_eq!(decode("0", &[0x0b]), None);
        assert_eq!(unary_table(&[12]).read_dc(&mut BitReader::new(&[0; 8])), None);
        let mut bits = BitReader::new(&[]);
        bits.fill();
        unary_table(&[0x0a]).read_ac(&mut bits);
        assert!(bits.bits_left() < 0);
    }

    #[test]
    fn refuses_counts_that_are_not_a_prefix_code() {
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
