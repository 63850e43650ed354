//! Proves that a run of the tests with the address sanitizer detects a read out of bounds.

#[test]
#[ignore = "negative control: reads out of bounds, which only the address sanitizer detects"]
fn control_reads_out_of_bounds() {
    let values: Box<[u8]> = vec![1; 64].into();
    let length = std::hint::black_box(values.len());
    // SAFETY: deliberately violated; only `npm run prove` runs this test, with the sanitizer.
    let value = unsafe { std::hint::black_box(values.as_ptr()).add(length).read_volatile() };
    std::hint::black_box(value);
}
