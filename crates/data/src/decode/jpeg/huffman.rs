//! Huffman codes and the bits that they are read from (ITU-T T.81, annexes C and F.2).

/// Bits that are looked up at once.
pub(super) const LOOK: u32 = 10;
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

    /// How much further the next coefficient is than the one before, and its value. Takes up to 26
    /// bits. `None` for what no encoder writes.
    pub fn coefficient(&self, bits: &mut Bits) -> Option<(usize, i16)> {
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

/// What bits begin with, looked up at once: a first coefficient, or one or two others, or an end of
/// block. A value may be longer than what is looked up; its code may not.
///
/// Fields of a word would be taken apart by shifts, of which a CPU does less at once than it reads
/// from memory.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
#[repr(C, align(8))]
pub(super) struct Step {
    /// Bits that it takes.
    pub bits: u8,
    /// How much further the first coefficient is than the one before.
    pub further: u8,
    /// How much further the last one is; [`END`] more where the block ends.
    pub last: u8,
    /// The last one's value where it is not the first.
    pub second: i8,
    /// The first one's value, less what is not looked up of it.
    value: i16,
    /// Where in 64 bits that is, and how many bits above.
    place: u16,
}

/// [`Step`]s by the next bits.
pub(super) type Steps = [Step; 1 << LOOK];

impl Step {
    /// The code is longer. It is as if the last coefficient were passed.
    const NONE: Step = Step { bits: 0, further: 0, last: 64, second: 0, value: 0, place: 0 };

    /// A coefficient, of which `bits` begin with `length` bits of code.
    fn value(bits: u32, length: u32, size: u32, further: u8) -> Step {
        let leading = bits >> (LOOK - 1 - length) & 1;
        let whole = length + size <= LOOK;
        let raw = if whole { bits >> (LOOK - length - size) & ((1 << size) - 1) } else { 0 };
        let value = match (size, leading) {
            (1.., 0) => raw as i32 - ((1 << size) - 1),
            _ => raw as i32,
        };
        let place = if whole { 0 } else { (64 - length - size) | (size << 8) };
        Step {
            bits: (length + size) as u8,
            further,
            last: further,
            second: 0,
            value: value as i16,
            place: place as u16,
        }
    }

    fn end(length: u32) -> Step {
        Step { bits: length as u8, further: END as u8, last: END as u8, ..Step::default() }
    }

    /// This one and the next together, where both are known whole.
    fn followed_by(self, next: Step) -> Option<Step> {
        let bits = self.bits + next.bits;
        let second = i8::try_from(next.value).ok()?;
        let whole = |step: Step| step != Step::NONE && step.place == 0;
        let fits = u32::from(bits) <= LOOK && self.further != END as u8;
        (whole(self) && whole(next) && fits).then_some(Step {
            bits,
            last: self.further + next.last,
            second,
            ..self
        })
    }

    /// The first one's value, of the bits that the step was looked up by.
    #[inline(always)]
    pub fn first<const FAST: bool>(&self, bits: &Bits) -> i16 {
        #[cfg(target_arch = "x86_64")]
        if FAST {
            // SAFETY: whoever says so has made sure of BMI1.
            let raw = unsafe { std::arch::x86_64::_bextr2_u64(bits.held, self.place.into()) };
            return self.value.wrapping_add(raw as i16);
        }
        let raw = bits.held >> (self.place & 63) & ((1 << (self.place >> 8)) - 1);
        self.value.wrapping_add(raw as i16)
    }
}

/// Fills a table for the first coefficients of blocks.
pub(super) fn first_steps(code: &Code, steps: &mut Steps) {
    for (bits, (step, short)) in steps.iter_mut().zip(&*code.short).enumerate() {
        let (length, size) = (u32::from(short >> 8), u32::from(short & 0xff));
        *step = match (length, size) {
            (1..LOOK, 0..=11) => Step::value(bits as u32, length, size, 0),
            _ => Step::NONE,
        };
    }
}

/// Fills a table for all others.
pub(super) fn other_steps(code: &Code, steps: &mut Steps) {
    for (bits, (step, short)) in steps.iter_mut().zip(&*code.short).enumerate() {
        let length = u32::from(short >> 8);
        *step = match (length, usize::from(short >> 4 & 15), u32::from(short & 15)) {
            (1..LOOK, 0, 0) => Step::end(length),
            (1..LOOK, 15, 0) => Step::value(bits as u32, length, 0, 16),
            (1..LOOK, zeros, size @ 1..=10) => {
                Step::value(bits as u32, length, size, zeros as u8 + 1)
            }
            _ => Step::NONE, // of progressive images alone, or longer
        };
    }
    let single = *steps;
    for (bits, step) in steps.iter_mut().enumerate() {
        let next = single[bits << step.bits & ((1 << LOOK) - 1)];
        *step = step.followed_by(next).unwrap_or(*step);
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

    /// Goes on where another reader of the same bytes is.
    #[inline(always)]
    pub fn go_on_at(&mut self, (at, held, count): (usize, u64, u32)) {
        (self.at, self.held, self.count) = (at, held, count);
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

    /// Reads a first coefficient's difference, or another coefficient, by their codes, and how much
    /// further it is than the one before. Gives what goes on behind it.
    #[inline(always)]
    pub fn rare(
        &self,
        codes: [&Code; 2],
        first: bool,
    ) -> (Option<(usize, i16)>, (usize, u64, u32)) {
        rare(codes, first, self.bytes, self.at, self.held, self.count)
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

/// [`Bits::rare`]; see [`filled_at_the_end`]. Fills the bits before and after.
#[cold]
#[inline(never)]
fn rare(
    [first_code, code]: [&Code; 2],
    first: bool,
    bytes: &[u8],
    at: usize,
    held: u64,
    count: u32,
) -> (Option<(usize, i16)>, (usize, u64, u32)) {
    let mut bits = Bits { bytes, at, held, count };
    bits.fill();
    let found = match first {
        true => first_code.difference(&mut bits).map(|difference| (0, difference as i16)),
        false => code.coefficient(&mut bits),
    };
    bits.fill();
    (found, (bits.at, bits.held, bits.count))
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
        let mut next = || {
            bits.fill();
            code.coefficient(&mut bits).unwrap()
        };
        let found: Vec<_> = (0..5).map(|_| next()).collect();
        assert_eq!(found, [(END, 0), (3, 1), (16, 0), (1, -1023), (END, 0)]);
        assert!((0..8).contains(&bits.left()));
    }

    #[test]
    fn steps_are_what_is_read_one_after_another() {
        let code = unary(&[0x01, 0x00, 0x12, 0xf0, 0x03, 0x05, 0x0a]);
        let mut steps = [Step::default(); 1 << LOOK];
        other_steps(&code, &mut steps);
        let (mut none, mut two, mut long) = (0, 0, 0);
        for more in [0, 0x5a5_a5a5, u32::MAX] {
            for start in 0..1u32 << LOOK {
                let bytes = u64::from(start << (32 - LOOK) | more >> LOOK) << 32;
                let bytes = bytes.to_be_bytes();
                let (mut bits, mut looked) = (Bits::new(&bytes), Bits::new(&bytes));
                bits.fill();
                looked.fill();
                let step = steps[start as usize];
                if step == Step::NONE {
                    none += 1;
                    continue;
                }
                let (further, value) = code.coefficient(&mut bits).unwrap();
                assert_eq!(usize::from(step.further), further);
                assert_eq!(step.first::<false>(&looked), value);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("bmi1") {
                    assert_eq!(step.first::<true>(&looked), value);
                }
                if usize::from(step.last) == further {
                    assert_eq!((step.second, usize::from(step.last) == END), (0, further == END));
                } else {
                    let (next, value) = code.coefficient(&mut bits).unwrap();
                    assert_eq!(
                        (usize::from(step.last), i16::from(step.second)),
                        (further + next, value)
                    );
                    two += 1;
                }
                long += u32::from(u32::from(step.bits) > LOOK);
                assert_eq!(i64::from(step.bits), 64 - bits.left());
            }
        }
        assert!(none > 0 && long > none && two > long, "{none} {long} {two}");
    }

    #[test]
    fn steps_of_first_coefficients_are_their_differences() {
        let code = unary(&[0, 3, 11, 12, 5]);
        let mut steps = [Step::default(); 1 << LOOK];
        first_steps(&code, &mut steps);
        for start in 0..1u32 << LOOK {
            let bytes = (u64::from(start) << (64 - LOOK) | 0x1234_5678_9abc).to_be_bytes();
            let (mut bits, mut looked) = (Bits::new(&bytes), Bits::new(&bytes));
            bits.fill();
            looked.fill();
            let step = steps[start as usize];
            match code.difference(&mut bits) {
                Some(difference) if step != Step::NONE => {
                    assert_eq!(i32::from(step.first::<false>(&looked)), difference);
                    assert_eq!(step.last, 0);
                    assert_eq!(i64::from(step.bits), 64 - bits.left());
                }
                // 12 is none, and what begins with five ones.
                _ => assert!(step == Step::NONE && start >> (LOOK - 4) >= 0b1110),
            }
        }
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        let read = |bits: &str, symbols: &[u8]| {
            let bytes = packed(bits);
            let mut bits = Bits::new(&bytes);
            bits.fill();
            unary(symbols).coefficient(&mut bits)
        };
        assert_eq!(read("1111111111111111", &[0x00, 0x01]), None);
        assert_eq!(read("0", &[0x50]), None);
        assert_eq!(read("0", &[0x0b]), None);
        assert_eq!(unary(&[12]).difference(&mut Bits::new(&[0; 8])), None);
        let mut bits = Bits::new(&[]);
        bits.fill();
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
