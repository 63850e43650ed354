//! Decodes the scans of any file, one block at a time: progressive files (ITU-T T.81, annex G.2),
//! sequential files with several scans, and files with damaged coded data.
//!
//! Damaged data are decoded as by libjpeg, so that the pixels are those of Pillow: an invalid code
//! is read as the symbol 0. If the data of a restart interval end early, zero bits complete the
//! current MCU, and the following MCUs of the interval are skipped.

use super::entropy_data::EntropyData;
use super::frame_coefficients::{Block, FrameCoefficients};
use super::huffman::{BitReader, HuffmanTable};
use super::segments::{Frame, MAX_MCU_BLOCKS, Scan, Segments};

/// Decodes `scan` and all scans after it. Returns `None` for invalid segments, and for scans that
/// do not continue those before them.
pub(super) fn decode_scans<'a>(
    segments: &mut Segments<'a>,
    frame: &Frame,
    mut scan: Scan<'a>,
    data: &mut EntropyData,
) -> Option<FrameCoefficients> {
    let mut coefficients = FrameCoefficients::new(frame);
    loop {
        let rest = data.read(scan.entropy_coded)?;
        let geometry = ScanGeometry::new(frame, &scan)?;
        coefficients.begin_scan(segments, frame, &scan, geometry.num_blocks())?;
        decode_scan(segments, &scan, &geometry, data, &mut coefficients)?;
        segments.skip_to(rest);
        match segments.next_scan()? {
            Some(next) => scan = next,
            None => return Some(coefficients),
        }
    }
}

/// A component of a scan.
struct ScanComponent {
    /// Index in the frame.
    index: usize,
    /// Ids of the DC and AC Huffman tables.
    table_ids: [usize; 2],
    /// Number of blocks in a row of an MCU, and of rows of blocks in an MCU.
    blocks: [usize; 2],
}

/// The blocks of a scan: MCU by MCU, and in each MCU component by component.
struct ScanGeometry {
    components: Vec<ScanComponent>,
    mcus_per_row: usize,
    mcu_rows: usize,
}

impl ScanGeometry {
    /// Returns `None` if an MCU has too many blocks.
    fn new(frame: &Frame, scan: &Scan) -> Option<ScanGeometry> {
        let is_interleaved = scan.components.len() > 1;
        let components = scan.components.iter().map(|&(index, table_ids)| {
            let component = &frame.components[index];
            // The MCU of a single component is one block.
            let blocks = if is_interleaved { [component.h, component.v] } else { [1, 1] };
            ScanComponent { index, table_ids, blocks }
        });
        let components: Vec<_> = components.collect();
        let blocks_per_mcu: usize = components.iter().map(|component| component.num_blocks()).sum();
        let [mcus_per_row, mcu_rows] = match scan.components[..] {
            [(index, _)] => frame.blocks(&frame.components[index]),
            _ => frame.mcus(),
        };
        (blocks_per_mcu <= MAX_MCU_BLOCKS).then_some(ScanGeometry {
            components,
            mcus_per_row,
            mcu_rows,
        })
    }

    /// Returns the number of blocks of the scan.
    fn num_blocks(&self) -> usize {
        let blocks_per_mcu: usize = self.components.iter().map(ScanComponent::num_blocks).sum();
        self.mcus_per_row * self.mcu_rows * blocks_per_mcu
    }
}

impl ScanComponent {
    /// Returns the number of blocks in an MCU.
    fn num_blocks(&self) -> usize {
        self.blocks[0] * self.blocks[1]
    }
}

/// Adds the coefficients of a scan. Returns `None` if a Huffman table is missing or invalid.
fn decode_scan(
    segments: &Segments,
    scan: &Scan,
    geometry: &ScanGeometry,
    data: &EntropyData,
    coefficients: &mut FrameCoefficients,
) -> Option<()> {
    let codings = geometry.components.iter().map(|component| {
        let [dc, ac] = [0, 1]
            .map(|class| segments.huffman_tables[class].get(component.table_ids[class])?.as_ref());
        BlockCoding::new(scan, dc, ac)
    });
    let codings: Vec<_> = codings.collect::<Option<_>>()?;
    let mut state = ScanState::default();
    let mut intervals = data.intervals();
    let mut bits = intervals.reader();
    // True once the current restart interval has no data left.
    let mut is_exhausted = false;
    let (mut mcus_to_restart, mut restart_number) = (segments.restart_interval, 0);
    for mcu_row in 0..geometry.mcu_rows {
        for mcu_column in 0..geometry.mcus_per_row {
            if segments.restart_interval > 0 {
                if mcus_to_restart == 0 {
                    let next = intervals.resync(restart_number);
                    is_exhausted &= next.is_none();
                    bits = next.unwrap_or(BitReader::new(&[]));
                    state = ScanState::default();
                    mcus_to_restart = segments.restart_interval;
                    restart_number = (restart_number + 1) % 8;
                }
                mcus_to_restart -= 1;
            }
            if is_exhausted {
                continue;
            }
            for (component, coding) in geometry.components.iter().zip(&codings) {
                let [width, height] = component.blocks;
                for i in 0..width * height {
                    let row = mcu_row * height + i / width;
                    let column = mcu_column * width + i % width;
                    let block = coefficients.block(component.index, row, column);
                    let previous_dc = &mut state.previous_dc[component.index];
                    coding.decode(&mut bits, block, previous_dc, &mut state.end_of_band_run);
                }
            }
            is_exhausted = bits.bits_left() < 0;
        }
    }
    Some(())
}

/// State of a scan since its last restart marker.
#[derive(Default)]
struct ScanState {
    /// The previous DC coefficient of each component.
    previous_dc: [i32; 4],
    /// Number of following blocks whose band has no further nonzero coefficients (EOBRUN).
    end_of_band_run: u32,
}

/// How the blocks of a component are coded in a scan. `band` is the first and last zigzag index of
/// the coefficients, `low` the bit position (Al).
enum BlockCoding<'a> {
    Sequential { dc: &'a HuffmanTable, ac: &'a HuffmanTable },
    DcFirst { dc: &'a HuffmanTable, low: u32 },
    DcRefinement { low: u32 },
    AcFirst { ac: &'a HuffmanTable, band: [usize; 2], low: u32 },
    AcRefinement { ac: &'a HuffmanTable, band: [usize; 2], low: u32 },
}

impl<'a> BlockCoding<'a> {
    /// Returns `None` if a required Huffman table is missing or invalid.
    fn new(
        scan: &Scan,
        dc: Option<&'a HuffmanTable>,
        ac: Option<&'a HuffmanTable>,
    ) -> Option<BlockCoding<'a>> {
        let dc = dc.filter(|table| table.is_dc_table());
        let band = scan.spectral_selection;
        let [high, low] = scan.successive_approximation;
        Some(match (band, high) {
            _ if !scan.progressive => BlockCoding::Sequential { dc: dc?, ac: ac? },
            ([0, _], 0) => BlockCoding::DcFirst { dc: dc?, low },
            ([0, _], _) => BlockCoding::DcRefinement { low },
            (_, 0) => BlockCoding::AcFirst { ac: ac?, band, low },
            _ => BlockCoding::AcRefinement { ac: ac?, band, low },
        })
    }

    /// Decodes the coefficients of the scan in the next block.
    fn decode(&self, bits: &mut BitReader, mut block: Block, previous_dc: &mut i32, run: &mut u32) {
        match *self {
            BlockCoding::Sequential { dc, ac } => {
                decode_dc(bits, dc, 0, &mut block, previous_dc);
                decode_sequential_ac(bits, ac, &mut block);
            }
            BlockCoding::DcFirst { dc, low } => decode_dc(bits, dc, low, &mut block, previous_dc),
            BlockCoding::DcRefinement { low } => {
                if read_bit(bits) {
                    block.set(0, block.get(0) | 1 << low);
                }
            }
            BlockCoding::AcFirst { ac, band, low } => {
                decode_ac_first(bits, ac, band, low, &mut block, run);
            }
            BlockCoding::AcRefinement { ac, band, low } => {
                decode_ac_refinement(bits, ac, band, low, &mut block, run);
            }
        }
    }
}

/// Fills the bit buffer and reads one bit.
fn read_bit(bits: &mut BitReader) -> bool {
    bits.fill();
    bits.read_unsigned(1) == 1
}

/// Reads the DC coefficient, whose low `low` bits are not coded.
fn decode_dc(
    bits: &mut BitReader,
    table: &HuffmanTable,
    low: u32,
    block: &mut Block,
    previous_dc: &mut i32,
) {
    bits.fill();
    let size = table.read_symbol_or_zero(bits).into();
    *previous_dc = previous_dc.wrapping_add(bits.read_signed(size));
    block.set(0, (*previous_dc << low) as i16);
}

/// Sets an AC coefficient. In damaged data `zigzag` may exceed 63; like libjpeg, the last
/// coefficient is then set.
fn set_ac(block: &mut Block, zigzag: usize, value: i32) {
    block.set(zigzag.min(63), value as i16);
}

/// Reads all AC coefficients of a sequential scan (F.2.2.2).
fn decode_sequential_ac(bits: &mut BitReader, table: &HuffmanTable, block: &mut Block) {
    let mut zigzag = 1;
    while zigzag < 64 {
        bits.fill();
        let symbol = table.read_symbol_or_zero(bits);
        match (symbol >> 4, symbol & 15) {
            (15, 0) => zigzag += 16,
            (_, 0) => break,
            (zeros, size) => {
                zigzag += usize::from(zeros);
                set_ac(block, zigzag, bits.read_signed(size.into()));
                zigzag += 1;
            }
        }
    }
}

/// Reads the `n` bits after the code EOBn. Returns the number of blocks in the run, which includes
/// the current block.
fn read_end_of_band_run(bits: &mut BitReader, n: u32) -> u32 {
    (1 << n) + bits.read_unsigned(n)
}

/// Reads the coefficients of the first scan of a band (G.1.2.2).
fn decode_ac_first(
    bits: &mut BitReader,
    table: &HuffmanTable,
    [first, last]: [usize; 2],
    low: u32,
    block: &mut Block,
    run: &mut u32,
) {
    if *run > 0 {
        *run -= 1;
        return;
    }
    let mut zigzag = first;
    while zigzag <= last {
        bits.fill();
        let symbol = table.read_symbol_or_zero(bits);
        match (symbol >> 4, symbol & 15) {
            (15, 0) => zigzag += 16,
            (n, 0) => {
                *run = read_end_of_band_run(bits, n.into()) - 1;
                break;
            }
            (zeros, size) => {
                zigzag += usize::from(zeros);
                set_ac(block, zigzag, bits.read_signed(size.into()) << low);
                zigzag += 1;
            }
        }
    }
}

/// Reads the refinement scan of a band (G.1.2.3): one more bit of each nonzero coefficient, and the
/// coefficients that become nonzero.
fn decode_ac_refinement(
    bits: &mut BitReader,
    table: &HuffmanTable,
    [first, last]: [usize; 2],
    low: u32,
    block: &mut Block,
    run: &mut u32,
) {
    let mut zigzag = first;
    while *run == 0 && zigzag <= last {
        bits.fill();
        let symbol = table.read_symbol_or_zero(bits);
        let mut zeros = u32::from(symbol >> 4);
        let new_value = match (zeros, symbol & 15) {
            (15, 0) => 0,
            (n, 0) => {
                *run = read_end_of_band_run(bits, n);
                break;
            }
            // Like libjpeg, assume the size 1; only damaged data have another size.
            _ if bits.read_unsigned(1) == 1 => 1 << low,
            _ => -(1 << low),
        };
        // Skip `zeros` coefficients that are 0, and refine the nonzero ones between them.
        while zigzag <= last {
            if block.get(zigzag) != 0 {
                refine(bits, low, block, zigzag);
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            zigzag += 1;
        }
        if new_value != 0 {
            set_ac(block, zigzag, new_value);
        }
        zigzag += 1;
    }
    if *run > 0 {
        for zigzag in zigzag..=last.min(block.last_index()) {
            if block.get(zigzag) != 0 {
                refine(bits, low, block, zigzag);
            }
        }
        *run -= 1;
    }
}

/// Reads the next bit of a nonzero coefficient.
fn refine(bits: &mut BitReader, low: u32, block: &mut Block, zigzag: usize) {
    let value = block.get(zigzag);
    if read_bit(bits) && value & 1 << low == 0 {
        block.set(zigzag, value.wrapping_add(value.signum() << low));
    }
}
