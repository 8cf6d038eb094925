//! The allocator of guests, which live for one call: a bump allocator that never frees.
//!
//! The host drops the whole instance after the call, so freeing is wasted work: this saves a fifth of a small plan's
//! time. A plugin that allocates and frees far more than its memory limit in one call disables the feature `arena`,
//! and gets the standard allocator.
#![expect(
    unsafe_code,
    reason = "a global allocator cannot be written without; this is the only unsafe code of the SDK"
)]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
};

const PAGE: usize = 64 << 10;

struct Arena {
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: a guest has one thread; the module is compiled for targets without atomics only.
unsafe impl Sync for Arena {}

// SAFETY: every block lies in memory that was grown for the arena alone, is aligned as asked, and is given out once.
unsafe impl GlobalAlloc for Arena {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = (self.next.get() + layout.align() - 1) & !(layout.align() - 1);
        match start.checked_add(layout.size()) {
            Some(end) if end <= self.end.get() => {
                self.next.set(end);
                start as *mut u8
            }
            _ => self.alloc_after_growing(layout),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let start = block as usize;
        let is_last = start + layout.size() == self.next.get();
        if is_last && new_size <= self.end.get() - start {
            self.next.set(start + new_size);
            return block;
        }
        // SAFETY: the caller promises that the new size does not overflow with this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: both blocks are the arena's, do not overlap and are at least as long as what is copied.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
            }
            new
        }
    }
}

impl Arena {
    #[cold]
    fn alloc_after_growing(&self, layout: Layout) -> *mut u8 {
        let Some(needed) = layout.size().checked_add(layout.align()) else {
            return std::ptr::null_mut();
        };
        if self.end.get() == 0 {
            // The initial memory, which is enough for most calls: growing costs the host system calls.
            self.next.set((&raw const __heap_base) as usize);
            self.end.set(core::arch::wasm32::memory_size(0) * PAGE);
            // SAFETY: the layout is the caller's; the end is not zero any more, so this comes here once.
            return unsafe { self.alloc(layout) };
        }
        // Grow by half, so that a large document does not grow the memory page by page.
        let used = core::arch::wasm32::memory_size(0) * PAGE;
        let pages = needed.max(used / 2).div_ceil(PAGE);
        let grown = match core::arch::wasm32::memory_grow(0, pages) {
            usize::MAX => core::arch::wasm32::memory_grow(0, needed.div_ceil(PAGE)),
            start => start,
        };
        if grown == usize::MAX {
            return std::ptr::null_mut();
        }
        if self.end.get() != grown * PAGE {
            self.next.set(grown * PAGE);
        }
        self.end.set(core::arch::wasm32::memory_size(0) * PAGE);
        // SAFETY: there is room for the layout now.
        unsafe { self.alloc(layout) }
    }
}

unsafe extern "C" {
    /// The linker's symbol for the beginning of the heap. Only its address is meaningful.
    static __heap_base: u8;
}

#[global_allocator]
static ARENA: Arena = Arena {
    next: Cell::new(0),
    end: Cell::new(0),
};
