//! Best-fit allocation of address ranges. Only keeps track of the ranges, never accesses memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Free and allocated address ranges.
///
/// Allocation is best fit; among free ranges of equal length, the lowest is taken. Freed ranges are
/// merged with their neighbors. A training loop that allocates the same sizes in the same order in
/// every step therefore gets the same addresses.
#[derive(Default)]
pub(crate) struct AddressRanges {
    /// Length of each free range by its start.
    free: BTreeMap<usize, usize>,
    /// Length and start of each free range, for the search by length.
    free_by_length: BTreeSet<(usize, usize)>,
    /// Length of each allocated range by its start.
    allocated: HashMap<usize, usize>,
}

impl AddressRanges {
    /// Adds a free range and merges it with adjacent free ranges.
    pub fn add(&mut self, mut start: usize, mut length: usize) {
        if let Some((&previous, &previous_length)) = self.free.range(..start).next_back()
            && previous + previous_length == start
        {
            self.remove_free(previous, previous_length);
            (start, length) = (previous, previous_length + length);
        }
        if let Some(&next_length) = self.free.get(&(start + length)) {
            self.remove_free(start + length, next_length);
            length += next_length;
        }
        self.free.insert(start, length);
        self.free_by_length.insert((length, start));
    }

    /// Allocates a range and returns its start, or `None` if no free range is large enough.
    pub fn allocate(&mut self, length: usize) -> Option<usize> {
        let &(free_length, start) = self.free_by_length.range((length, 0)..).next()?;
        self.remove_free(start, free_length);
        if free_length > length {
            self.add(start + length, free_length - length);
        }
        self.allocated.insert(start, length);
        Some(start)
    }

    /// Frees the allocated range that starts at `start`. Returns whether there is such a range.
    pub fn free(&mut self, start: usize) -> bool {
        match self.allocated.remove(&start) {
            Some(length) => {
                self.add(start, length);
                true
            }
            None => false,
        }
    }

    /// Iterates over the free ranges: start and length.
    pub fn free_ranges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.free.iter().map(|(&start, &length)| (start, length))
    }

    fn remove_free(&mut self, start: usize, length: usize) {
        self.free.remove(&start);
        self.free_by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn allocates_from_the_smallest_range_that_fits() {
        let mut ranges = AddressRanges::default();
        ranges.add(1000, 100);
        ranges.add(2000, 30);
        ranges.add(3000, 50);
        assert_eq!(ranges.allocate(40), Some(3000));
        assert_eq!(ranges.allocate(10), Some(3040));
        assert_eq!(ranges.allocate(101), None);
        assert!(ranges.free(3000) && !ranges.free(3000) && !ranges.free(3001));
    }

    proptest! {
        #[test]
        fn allocations_never_overlap_and_freed_ranges_merge(
            requests in prop::collection::vec((1usize..200, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut ranges = AddressRanges::default();
            ranges.add(4096, 5000);
            ranges.add(50_000, 3000);
            let mut allocated: Vec<(usize, usize)> = Vec::new();
            for (length, index) in requests {
                match ranges.allocate(length) {
                    Some(start) => {
                        let is_inside = |region: usize, region_length: usize| {
                            region <= start && start + length <= region + region_length
                        };
                        prop_assert!(is_inside(4096, 5000) || is_inside(50_000, 3000));
                        for &(other, other_length) in &allocated {
                            prop_assert!(start + length <= other || other + other_length <= start);
                        }
                        allocated.push((start, length));
                    }
                    None => prop_assert!(ranges.free_ranges().all(|(_, free)| free < length)),
                }
                if length % 2 == 0 && !allocated.is_empty() {
                    let (start, _) = allocated.swap_remove(index.index(allocated.len()));
                    prop_assert!(ranges.free(start));
                }
            }
            for (start, _) in allocated {
                prop_assert!(ranges.free(start));
            }
            let free: Vec<_> = ranges.free_ranges().collect();
            prop_assert_eq!(free, [(4096, 5000), (50_000, 3000)]);
        }
    }
}
