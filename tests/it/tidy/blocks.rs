//! Keeps track of the brackets that are open in a source file.

/// An open bracket: the module that it is in, and what kind of code it holds.
#[derive(Clone, Copy, Default)]
pub(super) struct Block {
    /// The module's number in its file.
    pub(super) module: usize,
    /// Whether names in it are members of an `impl` or a trait.
    pub(super) is_members: bool,
    is_test: bool,
}

#[derive(Default)]
pub(super) struct Blocks {
    open: Vec<Block>,
    /// The module, or members, that the next brace opens.
    pub(super) next_module: Option<usize>,
    pub(super) next_members: bool,
    /// The depth of a `#[cfg(test)]` whose item has not ended.
    test_depth: Option<usize>,
}

impl Blocks {
    pub(super) fn current(&self) -> Block {
        self.open.last().copied().unwrap_or_default()
    }

    pub(super) fn is_test(&self) -> bool {
        self.current().is_test || self.test_depth.is_some()
    }

    /// Notes a `#[cfg(test)]` before an item.
    pub(super) fn start_test(&mut self) {
        self.test_depth = Some(self.open.len());
    }

    pub(super) fn open(&mut self, bracket: &str) {
        let mut block = self.current();
        block.is_test = self.is_test();
        if bracket == "{" {
            block.is_members |= std::mem::take(&mut self.next_members);
            if let Some(module) = self.next_module.take() {
                block.module = module;
                block.is_members = false;
            }
        }
        self.open.push(block);
    }

    pub(super) fn close(&mut self, bracket: &str) {
        self.open.pop();
        if bracket == "}" {
            self.end_item();
        }
    }

    /// Ends the item that a `#[cfg(test)]` stands before, where it is on the same level.
    pub(super) fn end_item(&mut self) {
        let depth = self.open.len();
        if self.test_depth.is_some_and(|test| depth <= test) {
            self.test_depth = None;
        }
    }
}
