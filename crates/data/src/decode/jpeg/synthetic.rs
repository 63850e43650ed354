//! Synthetic JPEG files for tests: random coefficients with any size and sampling factors.

use crate::SampleRng;

/// Parameters of a synthetic file.
#[derive(Debug, Clone)]
pub(crate) struct SyntheticJpeg {
    pub width: u32,
    pub height: u32,
    /// Horizontal and vertical sampling factors of each component.
    pub sampling: Vec<[u32; 2]>,
    /// MCUs between restart markers; 0 for none.
    pub restart_interval: u32,
}

impl SyntheticJpeg {
    /// Draws random parameters.
    pub fn random(rng: &mut SampleRng) -> SyntheticJpeg {
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
            restart_interval: [0, 0, 1, 3, 50][rng.below(5) as usize],
        }
    }
}

/// A Huffman table: code lengths in ascending order, each with its symbols.
struct CodeLengths(Vec<(usize, Vec<u8>)>);

impl CodeLengths {
    /// Returns a table for DC differences. Some codes are longer than the decoder's lookup.
    fn dc() -> CodeLengths {
        CodeLengths(vec![(2, vec![0, 3]), (5, vec![1, 2, 5, 7, 8]), (12, vec![4, 6, 9, 10, 11])])
    }

    /// Returns a table for AC coefficients.
    fn ac() -> CodeLengths {
        let short = vec![0x00, 0x01, 0x02, 0x11];
        let middle: Vec<u8> =
            (0..10).map(|zeros| zeros << 4 | 3).chain([0xf0, 0x04, 0x0a]).collect();
        let all = (0..=0xf0).step_by(16).flat_map(|zeros| (1..=10).map(move |size| zeros | size));
        let long = all.filter(|symbol| !short.contains(symbol) && !middle.contains(symbol));
        let long = long.collect();
        CodeLengths(vec![(3, short), (7, middle), (16, long)])
    }

    /// Encodes the table as a DHT segment.
    fn segment(&self, class: u8) -> Vec<u8> {
        let mut counts = [0; 16];
        for (length, symbols) in &self.0 {
            counts[length - 1] = symbols.len() as u8;
        }
        let symbols: Vec<u8> = self.0.iter().flat_map(|(_, symbols)| symbols.clone()).collect();
        segment(0xc4, &[&[class << 4][..], &counts, &symbols].concat())
    }

    /// Returns code and code length of a symbol.
    fn code(&self, symbol: u8) -> (u32, usize) {
        let (mut next_code, mut previous_length) = (0u32, 0);
        for (length, symbols) in &self.0 {
            next_code <<= length - previous_length;
            if let Some(index) = symbols.iter().position(|&other| other == symbol) {
                return (next_code + index as u32, *length);
            }
            next_code += symbols.len() as u32;
            previous_length = *length;
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

    fn put_coefficient(&mut self, table: &CodeLengths, zeros: u8, value: i32) {
        let size = (32 - value.unsigned_abs().leading_zeros()) as usize;
        let (code, length) = table.code(zeros << 4 | size as u8);
        self.put(code, length);
        self.put((value - i32::from(value < 0)) as u32, size);
    }

    /// Completes the last byte and appends the restart marker of interval `index`.
    fn put_restart_marker(&mut self, index: u32) {
        self.pad_to_byte();
        self.bytes.extend([0xff, 0xd0 + (index % 8) as u8]);
    }

    fn pad_to_byte(&mut self) {
        while !self.count.is_multiple_of(8) {
            self.put(1, 1);
        }
    }
}

/// Encodes random coefficients. Returns the file, and the coefficients of each block in coding
/// order.
pub(crate) fn encode_synthetic(
    params: &SyntheticJpeg,
    rng: &mut SampleRng,
) -> (Vec<u8>, Vec<[i16; 64]>) {
    let (dc_table, ac_table) = (CodeLengths::dc(), CodeLengths::ac());
    let mut bits = BitWriter::default();
    let mut blocks = Vec::new();
    let max_factor =
        |axis: usize| params.sampling.iter().map(|sampling| sampling[axis]).max().unwrap();
    let mcus_per_row = params.width.div_ceil(8 * max_factor(0));
    let mcus = mcus_per_row * params.height.div_ceil(8 * max_factor(1));
    let mut previous_dc = vec![0; params.sampling.len()];
    let restart_interval = params.restart_interval;
    for mcu in 0..mcus {
        if restart_interval > 0 && mcu > 0 && mcu % restart_interval == 0 {
            bits.put_restart_marker(mcu / restart_interval - 1);
            previous_dc.fill(0);
        }
        for (component, [h, v]) in params.sampling.iter().enumerate() {
            for _ in 0..h * v {
                let block = random_block(rng);
                let dc = i32::from(block[0]);
                bits.put_coefficient(&dc_table, 0, dc - previous_dc[component]);
                previous_dc[component] = dc;
                put_ac(&mut bits, &ac_table, &block);
                blocks.push(block);
            }
        }
    }
    bits.pad_to_byte();

    let components: Vec<usize> = (0..params.sampling.len()).collect();
    let scan = [encode_scan_header(&components), bits.bytes].concat();
    (assemble_file(params, &[scan]), blocks)
}

/// Encodes the blocks of [`encode_synthetic`] with one scan for each component index in `order`.
pub(crate) fn encode_separate_scans(
    params: &SyntheticJpeg,
    blocks: &[[i16; 64]],
    order: &[usize],
) -> Vec<u8> {
    let (dc_table, ac_table) = (CodeLengths::dc(), CodeLengths::ac());
    let [h_max, v_max] =
        [0, 1].map(|axis| params.sampling.iter().map(|sampling| sampling[axis]).max().unwrap());
    let mcus_per_row = params.width.div_ceil(8 * h_max);
    let num_blocks = |sampling: &[[u32; 2]]| sampling.iter().map(|[h, v]| h * v).sum::<u32>();
    let scans: Vec<_> = order
        .iter()
        .map(|&component| {
            let [h, v] = params.sampling[component];
            let first_block = num_blocks(&params.sampling[..component]);
            // A scan of one component omits the blocks that only complete an MCU.
            let columns = (params.width * h).div_ceil(8 * h_max);
            let rows = (params.height * v).div_ceil(8 * v_max);
            let (mut bits, mut previous_dc) = (BitWriter::default(), 0);
            for i in 0..columns * rows {
                if params.restart_interval > 0 && i > 0 && i % params.restart_interval == 0 {
                    bits.put_restart_marker(i / params.restart_interval - 1);
                    previous_dc = 0;
                }
                let (row, column) = (i / columns, i % columns);
                let mcu = row / v * mcus_per_row + column / h;
                let block = first_block + row % v * h + column % h;
                let block = &blocks[(mcu * num_blocks(&params.sampling) + block) as usize];
                let dc = i32::from(block[0]);
                bits.put_coefficient(&dc_table, 0, dc - previous_dc);
                previous_dc = dc;
                put_ac(&mut bits, &ac_table, block);
            }
            bits.pad_to_byte();
            [encode_scan_header(&[component]), bits.bytes].concat()
        })
        .collect();
    assemble_file(params, &scans)
}

/// Returns the SOS segment of a sequential scan of the components with these indices.
fn encode_scan_header(components: &[usize]) -> Vec<u8> {
    let mut header = vec![components.len() as u8];
    for &component in components {
        header.extend([component as u8 + 1, 0]);
    }
    header.extend([0, 63, 0]);
    segment(0xda, &header)
}

/// Assembles a file from scans, each with its header.
fn assemble_file(params: &SyntheticJpeg, scans: &[Vec<u8>]) -> Vec<u8> {
    let size = [params.height as u16, params.width as u16].map(u16::to_be_bytes);
    let mut frame = [&[8][..], size.as_flattened(), &[params.sampling.len() as u8]].concat();
    for (id, [h, v]) in params.sampling.iter().enumerate() {
        frame.extend([id as u8 + 1, (h << 4 | v) as u8, 0]);
    }
    let quantization_table: Vec<u8> =
        std::iter::once(0).chain((1..65).map(|i| 1 + i / 8)).collect();
    let file = [
        vec![0xff, 0xd8],
        segment(0xdb, &quantization_table),
        segment(0xc0, &frame),
        CodeLengths::dc().segment(0),
        CodeLengths::ac().segment(1),
        segment(0xdd, &(params.restart_interval as u16).to_be_bytes()),
        scans.concat(),
        vec![0xff, 0xd9],
    ];
    file.concat()
}

fn put_ac(bits: &mut BitWriter, table: &CodeLengths, block: &[i16; 64]) {
    let mut zeros = 0;
    let last = block.iter().rposition(|&value| value != 0).unwrap_or(0);
    for &value in &block[1..=last.max(1)] {
        if value == 0 {
            zeros += 1;
            continue;
        }
        while zeros > 15 {
            let (code, length) = table.code(0xf0);
            bits.put(code, length);
            zeros -= 16;
        }
        bits.put_coefficient(table, zeros, value.into());
        zeros = 0;
    }
    if last < 63 {
        let (code, length) = table.code(0);
        bits.put(code, length);
    }
}

/// Draws the coefficients of a block: DC only, few, or many, some of them large.
fn random_block(rng: &mut SampleRng) -> [i16; 64] {
    let mut block = [0; 64];
    block[0] = rng.below(2001) as i16 - 1000;
    let end = [1, 3, 10, 40, 64][rng.below(5) as usize];
    let sparsity = 1 + rng.below(5);
    for value in &mut block[1..end] {
        if rng.below(sparsity) == 0 {
            let max = [1, 3, 15, 1023][rng.below(9).saturating_sub(5) as usize];
            *value = rng.below(2 * max + 1) as i16 - max as i16;
        }
    }
    block
}
