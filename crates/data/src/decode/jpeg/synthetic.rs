//! Synthetic JPEG files for tests: random coefficients with any size and sampling factors.

use crate::SampleRng;

/// Parameters of a file.
#[derive(Debug, Clone)]
pub(crate) struct SyntheticJpeg {
    pub width: u32,
    pub height: u32,
    /// Sampling factors of each component: horizontal, vertical.
    pub sampling: Vec<[u32; 2]>,
    /// MCUs between restart markers; 0 for none.
    pub restart: u32,
}

impl SyntheticJpeg {
    /// Random parameters.
    pub fn any(rng: &mut SampleRng) -> SyntheticJpeg {
        const SAMPLINGS: [&[[u32; 2]]; 7] = [
            &[[1, 1]],
            &[[1, 1], [1, 1], [1, 1]],
            &[[2, 1], [1, 1], [1, 1]],
            &[[2, 2], [1, 1], [1, 1]],
            &[[1, 2], [1, 1], [1, 1]],
            &[[4, 1], [1, 1], [1, 1]],
            &[[2, 2], [2, 1], [1, 2]],
        ];
        SyntheticJpeg {
            width: 1 + rng.below(300),
            height: 1 + rng.below(90),
            sampling: SAMPLINGS[rng.below(7) as usize].to_vec(),
            restart: [0, 0, 1, 3, 50][rng.below(5) as usize],
        }
    }
}

/// A Huffman table: code lengths, each with its symbols.
struct CodeLengths(Vec<(usize, Vec<u8>)>);

impl CodeLengths {
    /// DC differences. Some codes are longer than the decoder's lookup.
    fn first() -> CodeLengths {
        CodeLengths(vec![(2, vec![0, 3]), (5, vec![1, 2, 5, 7, 8]), (12, vec![4, 6, 9, 10, 11])])
    }

    /// AC coefficients.
    fn others() -> CodeLengths {
        let short = vec![0x00, 0x01, 0x02, 0x11];
        let middle: Vec<u8> =
            (0..10).map(|zeros| zeros << 4 | 3).chain([0xf0, 0x04, 0x0a]).collect();
        let all = (0..=0xf0).step_by(16).flat_map(|zeros| (1..=10).map(move |size| zeros | size));
        let long = all.filter(|symbol| !short.contains(symbol) && !middle.contains(symbol));
        let long = long.collect();
        CodeLengths(vec![(3, short), (7, middle), (16, long)])
    }

    fn segment(&self, class: u8) -> Vec<u8> {
        let mut counts = [0; 16];
        for (length, symbols) in &self.0 {
            counts[length - 1] = symbols.len() as u8;
        }
        let symbols: Vec<u8> = self.0.iter().flat_map(|(_, symbols)| symbols.clone()).collect();
        segment(0xc4, &[&[class << 4][..], &counts, &symbols].concat())
    }

    /// Code and code length of a symbol.
    fn code(&self, symbol: u8) -> (u32, usize) {
        let (mut next, mut before) = (0u32, 0);
        for (length, symbols) in &self.0 {
            next <<= length - before;
            if let Some(place) = symbols.iter().position(|&other| other == symbol) {
                return (next + place as u32, *length);
            }
            next += symbols.len() as u32;
            before = *length;
        }
        panic!("{symbol:#x} has no code")
    }
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, content].concat()
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    byte: u8,
    count: u32,
}

impl BitWriter {
    fn put(&mut self, value: u32, length: usize) {
        for bit in (0..length).rev() {
            self.byte = self.byte << 1 | (value >> bit & 1) as u8;
            self.count += 1;
            if self.count.is_multiple_of(8) {
                self.bytes.push(self.byte);
                if self.byte == 0xff {
                    self.bytes.push(0);
                }
            }
        }
    }

    fn put_coefficient(&mut self, codes: &CodeLengths, zeros: u8, value: i32) {
        let size = (32 - value.unsigned_abs().leading_zeros()) as usize;
        let (code, length) = codes.code(zeros << 4 | size as u8);
        self.put(code, length);
        self.put((value - i32::from(value < 0)) as u32, size);
    }

    fn fill_up(&mut self) {
        while !self.count.is_multiple_of(8) {
            self.put(1, 1);
        }
    }
}

/// Encodes a random file. Also returns the coefficients of its blocks in coding order.
pub(crate) fn encode_synthetic(
    kind: &SyntheticJpeg,
    rng: &mut SampleRng,
) -> (Vec<u8>, Vec<[i16; 64]>) {
    let (first, others) = (CodeLengths::first(), CodeLengths::others());
    let mut bits = BitWriter::default();
    let mut blocks = Vec::new();
    let most = |side: usize| kind.sampling.iter().map(|sampling| sampling[side]).max().unwrap();
    let across = kind.width.div_ceil(8 * most(0));
    let groups = across * kind.height.div_ceil(8 * most(1));
    let mut before = vec![0; kind.sampling.len()];
    for group in 0..groups {
        if kind.restart > 0 && group > 0 && group % kind.restart == 0 {
            bits.fill_up();
            bits.bytes.extend([0xff, 0xd0 + ((group / kind.restart - 1) % 8) as u8]);
            before.fill(0);
        }
        for (component, [across, down]) in kind.sampling.iter().enumerate() {
            for _ in 0..across * down {
                let block = coefficients(rng);
                let value = i32::from(block[0]);
                bits.put_coefficient(&first, 0, value - before[component]);
                before[component] = value;
                put_others(&mut bits, &others, &block);
                blocks.push(block);
            }
        }
    }
    bits.fill_up();

    let size = [kind.height as u16, kind.width as u16].map(u16::to_be_bytes);
    let count = kind.sampling.len() as u8;
    let mut frame = [&[8][..], size.as_flattened(), &[count]].concat();
    let mut scan = vec![count];
    for (id, [across, down]) in kind.sampling.iter().enumerate() {
        frame.extend([id as u8 + 1, (across << 4 | down) as u8, 0]);
        scan.extend([id as u8 + 1, 0]);
    }
    scan.extend([0, 63, 0]);
    let quantisers: Vec<u8> = std::iter::once(0).chain((1..65).map(|i| 1 + i / 8)).collect();
    let file = [
        vec![0xff, 0xd8],
        segment(0xdb, &quantisers),
        segment(0xc0, &frame),
        first.segment(0),
        others.segment(1),
        segment(0xdd, &(kind.restart as u16).to_be_bytes()),
        segment(0xda, &scan),
        bits.bytes,
        vec![0xff, 0xd9],
    ];
    (file.concat(), blocks)
}

fn put_others(bits: &mut BitWriter, codes: &CodeLengths, block: &[i16; 64]) {
    let mut zeros = 0;
    let last = block.iter().rposition(|&value| value != 0).unwrap_or(0);
    for &value in &block[1..=last.max(1)] {
        if value == 0 {
            zeros += 1;
            continue;
        }
        while zeros > 15 {
            let (code, length) = codes.code(0xf0);
            bits.put(code, length);
            zeros -= 16;
        }
        bits.put_coefficient(codes, zeros, value.into());
        zeros = 0;
    }
    if last < 63 {
        let (code, length) = codes.code(0);
        bits.put(code, length);
    }
}

/// Random coefficients of a block: DC only, few, or many, some of them large.
fn coefficients(rng: &mut SampleRng) -> [i16; 64] {
    let mut block = [0; 64];
    block[0] = rng.below(2001) as i16 - 1000;
    let reach = [1, 3, 10, 40, 64][rng.below(5) as usize];
    let every = 1 + rng.below(5);
    for value in &mut block[1..reach] {
        if rng.below(every) == 0 {
            let most = [1, 3, 15, 1023][rng.below(9).saturating_sub(5) as usize];
            *value = rng.below(2 * most + 1) as i16 - most as i16;
        }
    }
    block
}
