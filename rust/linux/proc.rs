// SPDX-License-Identifier: GPL-2.0
//! Files below `/proc/net`.
//!
//! A reader may stop anywhere and come back when much has changed. Its place is therefore not a
//! number of lines but a [`Cursor`]: what was printed last, in an order that survives change.
//!
//! C shows one line at a time. Here a listing shows as many as fit into C's buffer, so that it looks
//! for its place once for each buffer and not for each line.
//!
//! C header: `include/linux/seq_file.h`, `include/linux/proc_fs.h`

use crate::bindings;
use crate::net::{Handle, Net};
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::str::CStr;

/// A place in a listing, whose meaning is the listing's own; all zero is before the first.
pub type Cursor = [u64; 2];

/// A file that lists what one namespace has.
pub trait Listing: 'static {
    /// The name below `/proc/net`.
    const NAME: &'static CStr;
    /// Its permission bits.
    const MODE: u16 = 0o444;

    /// Prints what is above the list.
    fn header(net: &Net, out: &SeqFile);

    /// Prints the first entries after `after`, as many as fit, and returns the place of the last.
    ///
    /// `None` if none was printed; when none would have fitted, the same place is asked for again.
    /// Printing must change nothing.
    fn show(_net: &Net, _after: Cursor, _out: &mut Lines<'_>) -> Option<Cursor> {
        None
    }
}

/// There is no room for another line: stop, and say which was the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Where the lines of a list go.
///
/// # Invariants
///
/// The file is one that C is inside `show` of, for `'a`.
pub struct Lines<'a> {
    file: *mut bindings::seq_file,
    /// Whether something was printed.
    has_any: bool,
    /// Whether something did not fit: nothing behind it is printed either.
    is_full: bool,
    lent: PhantomData<&'a mut SeqFile>,
}

impl Lines<'_> {
    /// Prints a line.
    ///
    /// # Errors
    ///
    /// When it does not fit, or an earlier line did not; nothing is printed then.
    #[inline]
    pub fn put(&mut self, line: &[u8]) -> Result<(), Full> {
        // SAFETY: By the invariant; nothing else writes to the file inside `show`.
        let file = unsafe { &*self.file };
        // C takes a buffer that has no room left for one that was too small.
        let room = file.size.saturating_sub(file.count);
        if self.is_full || (self.has_any && line.len() >= room) {
            self.is_full = true;
            return Err(Full);
        }
        self.has_any = true;
        let bytes = line.as_ptr().cast();
        // SAFETY: By the invariant; the bytes are those of the slice.
        let status = unsafe { bindings::seq_write(self.file, bytes, line.len()) };
        // Where the first line does not fit, C has taken note of that now and comes back.
        self.is_full = status != 0;
        if self.is_full {
            return Err(Full);
        }
        Ok(())
    }
}

/// What the kernel keeps for each open file, zeroed at first.
#[repr(C)]
struct Reading {
    /// C's own, at the start.
    net: bindings::seq_net_private,
    /// Where the line belongs that C calls `position`.
    after: Cursor,
    /// What the last call of `show` printed.
    shown: Cursor,
    /// Whether that was anything, and C did not move on yet.
    has_shown: bool,
    position: bindings::loff_t,
}

/// Means the header where C passes on what is to be shown.
fn header_token() -> *mut c_void {
    ptr::without_provenance_mut(1)
}

/// The functions that C calls to read a file of the listing `L`.
struct Operations<L>(PhantomData<L>);

impl<L: Listing> Operations<L> {
    const TABLE: &'static bindings::seq_operations = &bindings::seq_operations {
        start: Some(Self::start),
        stop: Some(Self::stop),
        next: Some(Self::next),
        show: Some(Self::show),
    };

    /// # Safety
    ///
    /// For the functions of the table only, with the file that C passed.
    unsafe fn reading<'a>(file: *mut bindings::seq_file) -> &'a mut Reading {
        // SAFETY: C keeps a `Reading` of each file, as the registration asked it to.
        let private = unsafe { (*file).private };
        // SAFETY: C calls one function at a time for each file, under a lock; the zeros it begins
        // with are a valid value.
        unsafe { &mut *private.cast() }
    }

    /// # Safety
    ///
    /// For the functions of the table only, with the file that C passed.
    unsafe fn net<'a>(file: *mut bindings::seq_file) -> &'a Net {
        // SAFETY: The file is open, and it was opened for a namespace.
        let net = unsafe { bindings::rvs_helper_seq_file_net(file) };
        // SAFETY: An open file holds a reference to its namespace.
        unsafe { Net::from_raw(net) }
    }

    /// # Safety
    ///
    /// Called by C only, through the table.
    unsafe extern "C" fn start(
        file: *mut bindings::seq_file,
        position: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: C passed the file.
        let reading = unsafe { Self::reading(file) };
        // SAFETY: C lends the position for the call.
        let position = unsafe { *position };
        reading.has_shown = false;
        if position == 0 {
            reading.after = [0; 2];
            reading.position = 0;
            return header_token();
        }
        // C only comes back to where it was, or starts again from the top.
        if position != reading.position {
            return ptr::null_mut();
        }
        ptr::from_mut(reading).cast()
    }

    /// # Safety
    ///
    /// Called by C only, through the table.
    unsafe extern "C" fn next(
        file: *mut bindings::seq_file,
        shown: *mut c_void,
        position: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: C passed the file.
        let reading = unsafe { Self::reading(file) };
        // SAFETY: C lends the position for the call.
        let position = unsafe { &mut *position };
        *position = position.saturating_add(1);
        reading.position = *position;
        if shown != header_token() {
            if !reading.has_shown {
                return ptr::null_mut();
            }
            reading.has_shown = false;
            reading.after = reading.shown;
        }
        ptr::from_mut(reading).cast()
    }

    /// # Safety
    ///
    /// Called by C only, through the table.
    unsafe extern "C" fn show(file: *mut bindings::seq_file, what: *mut c_void) -> i32 {
        // SAFETY: C passed the file.
        let net = unsafe { Self::net(file) };
        if what == header_token() {
            // SAFETY: C passed the file and calls nothing else for it meanwhile.
            L::header(net, unsafe { SeqFile::from_raw(file.cast()) });
            return 0;
        }
        // SAFETY: C passed the file.
        let reading = unsafe { Self::reading(file) };
        // INVARIANT: C passed the file.
        let mut out = Lines {
            file,
            has_any: false,
            is_full: false,
            lent: PhantomData,
        };
        let shown = L::show(net, reading.after, &mut out);
        reading.has_shown = shown.is_some();
        reading.shown = shown.unwrap_or(reading.after);
        0
    }

    /// # Safety
    ///
    /// Called by C only, through the table.
    unsafe extern "C" fn stop(_file: *mut bindings::seq_file, _what: *mut c_void) {}
}

/// Makes the file of the listing `L` in a namespace, where it stays until that begins to go.
///
/// The file belongs to the [`Handle`], so it cannot outlive the namespace or the module.
///
/// # Errors
///
/// `ENOMEM`, also when a file of that name is there already, or `ENODEV` once the namespace began
/// to go.
///
/// # Locking
///
/// Process context; sleeps.
pub fn create<L: Listing>(handle: &Handle) -> Result {
    handle.register(File::new::<L>).map(|_number| ())
}

/// A file that is there as long as this is.
///
/// # Invariants
///
/// The entry is one of `proc_create_net_data`, of a namespace that is alive.
struct File(NonNull<bindings::proc_dir_entry>);

// SAFETY: A file may be removed by any task.
unsafe impl Send for File {}

impl File {
    fn new<L: Listing>(net: &Net) -> Result<Self> {
        let size = u32::try_from(size_of::<Reading>())?;
        // SAFETY: By the invariant of `Net` it is allocated; the directory never changes.
        let directory = unsafe { (*net.as_raw()).proc_net };
        let name = L::NAME.to_bytes_with_nul().as_ptr().cast();
        let table = Operations::<L>::TABLE;
        // SAFETY: The table is static and fits the size of what is kept for each open file.
        let entry = unsafe {
            bindings::proc_create_net_data(name, L::MODE, directory, table, size, ptr::null_mut())
        };
        // INVARIANT: Just made; a handle drops what it keeps while the namespace lives.
        NonNull::new(entry).map(Self).ok_or(ENOMEM)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. C waits for tasks inside one of our functions; files that
        // stay open are cut off.
        unsafe { bindings::proc_remove(self.0.as_ptr()) };
    }
}
