//! The stack and the memo of the unpickler.

use std::collections::HashMap;

use crate::node::{Id, too_deep};
use crate::{Error, Limits, Result, malformed};

/// Stack of values and marks. Values below the topmost mark cannot be popped before that mark.
pub(crate) struct Stack {
    values: Vec<Id>,
    /// Heights of the stack at which marks were set.
    marks: Vec<usize>,
    /// Number of pushed values and of items of copied containers.
    num_pushed: usize,
    limits: Limits,
}

impl Stack {
    pub fn new(limits: Limits) -> Self {
        Stack { values: Vec::new(), marks: Vec::new(), num_pushed: 0, limits }
    }

    pub fn push(&mut self, id: Id) -> Result<()> {
        self.num_pushed += 1;
        if self.num_pushed > self.limits.values {
            return Err(too_many_values(self.limits.values));
        }
        self.values.push(id);
        Ok(())
    }

    /// Counts `count` values as pushed. The next push checks the limit.
    pub fn charge(&mut self, count: usize) {
        self.num_pushed += count;
    }

    pub fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.values.last() {
            Some(&id) if self.values.len() > floor => Ok(id),
            _ => malformed("the stack is empty"),
        }
    }

    pub fn pop(&mut self) -> Result<Id> {
        let id = self.top()?;
        self.values.pop();
        Ok(id)
    }

    /// Pops the top of the stack, which is a mark or a value.
    pub fn pop_value_or_mark(&mut self) -> Result<()> {
        match self.marks.last() {
            Some(&height) if height == self.values.len() => drop(self.marks.pop()),
            _ => drop(self.pop()?),
        }
        Ok(())
    }

    pub fn mark(&mut self) -> Result<()> {
        if self.marks.len() >= usize::from(self.limits.depth) {
            return Err(too_deep(self.limits.depth));
        }
        self.marks.push(self.values.len());
        Ok(())
    }

    /// Pops the topmost mark and returns the values above it.
    pub fn pop_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(height) => Ok(self.values.split_off(height)),
            None => malformed("the stack has no mark"),
        }
    }
}

/// Memo of the unpickler: values by the keys with which later opcodes push them again.
pub(crate) struct Memo {
    values: HashMap<u32, Id>,
    max_values: usize,
}

impl Memo {
    pub fn new(max_values: usize) -> Self {
        Memo { values: HashMap::new(), max_values }
    }

    pub fn put(&mut self, key: u32, id: Id) -> Result<()> {
        self.values.insert(key, id);
        if self.values.len() > self.max_values {
            Err(too_many_values(self.max_values))
        } else {
            Ok(())
        }
    }

    pub fn get(&self, key: u32) -> Result<Id> {
        match self.values.get(&key) {
            Some(&id) => Ok(id),
            None => malformed(format!("the memo has no value {key}")),
        }
    }

    /// Returns the key that `MEMOIZE` assigns.
    pub fn next_key(&self) -> u32 {
        self.values.len() as u32
    }
}

fn too_many_values(max_values: usize) -> Error {
    Error::LimitExceeded(format!("it has more than {max_values} values"))
}
