//! Which parts of memory are free: the arithmetic of an allocator, without the memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// AddressRanges of addresses, free and taken. The smallest free range that is large enough is taken, of
/// several the lowest; what is given back is joined to its free neighbours. So a training, which
/// asks for the same sizes in the same order in every step, gets the same addresses.
#[derive(Default)]
pub(crate) struct AddressRanges {
    /// Begin to length.
    free: BTreeMap<usize, usize>,
    /// Length and begin.
    by_length: BTreeSet<(usize, usize)>,
    taken: HashMap<usize, usize>,
}

impl AddressRanges {
    /// Makes a range free that was unknown, or taken.
    pub fn add(&mut self, mut begin: usize, mut length: usize) {
        if let Some((&before, &its)) = self.free.range(..begin).next_back() {
            if before + its == begin {
                self.remove(before, its);
                (begin, length) = (before, its + length);
            }
        }
        if let Some(&its) = self.free.get(&(begin + length)) {
            self.remove(begin + length, its);
            length += its;
        }
        self.free.insert(begin, length);
        self.by_length.insert((length, begin));
    }

    /// Takes a range, if one of the length is free.
    pub fn take(&mut self, length: usize) -> Option<usize> {
        let &(found, begin) = self.by_length.range((length, 0)..).next()?;
        self.remove(begin, found);
        if found > length {
            self.add(begin + length, found - length);
        }
        self.taken.insert(begin, length);
        Some(begin)
    }

    /// Whether a range that begins here was taken; it is free now.
    pub fn give_back(&mut self, begin: usize) -> bool {
        match self.taken.remove(&begin) {
            Some(length) => {
                self.add(begin, length);
                true
            }
            None => false,
        }
    }

    /// Begin and length of what is free.
    pub fn free(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.free.iter().map(|(&begin, &length)| (begin, length))
    }

    fn remove(&mut self, begin: usize, length: usize) {
        self.free.remove(&begin);
        self.by_length.remove(&(length, begin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_smallest_free_range_that_is_large_enough_is_taken() {
        let mut ranges = AddressRanges::default();
        ranges.add(1000, 100);
        ranges.add(2000, 30);
        ranges.add(3000, 50);
        assert_eq!(ranges.take(40), Some(3000));
        assert_eq!(ranges.take(10), Some(3040));
        assert_eq!(ranges.take(101), None);
        assert!(ranges.give_back(3000) && !ranges.give_back(3000) && !ranges.give_back(3001));
    }

    proptest! {
        #[test]
        fn what_is_taken_never_overlaps_and_what_comes_back_is_whole_again(
            orders in prop::collection::vec((1usize..200, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut ranges = AddressRanges::default();
            ranges.add(4096, 5000);
            ranges.add(50_000, 3000);
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for (length, which) in orders {
                match ranges.take(length) {
                    Some(begin) => {
                        let inside = |from: usize, long: usize| {
                            from <= begin && begin + length <= from + long
                        };
                        prop_assert!(inside(4096, 5000) || inside(50_000, 3000));
                        for &(other, its) in &taken {
                            prop_assert!(begin + length <= other || other + its <= begin);
                        }
                        taken.push((begin, length));
                    }
                    None => prop_assert!(ranges.free().all(|(_, free)| free < length)),
                }
                if length % 2 == 0 && !taken.is_empty() {
                    let (begin, _) = taken.swap_remove(which.index(taken.len()));
                    prop_assert!(ranges.give_back(begin));
                }
            }
            for (begin, _) in taken {
                prop_assert!(ranges.give_back(begin));
            }
            let free: Vec<_> = ranges.free().collect();
            prop_assert_eq!(free, [(4096, 5000), (50_000, 3000)]);
        }
    }
}
