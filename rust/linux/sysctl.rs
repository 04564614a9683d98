// SPDX-License-Identifier: GPL-2.0
//! A sysctl directory per network namespace.
//!
//! Text is read and written by the kernel's own `proc_do*` functions, on a copy of the value, which
//! is judged before it replaces the value: a reader sees the old value or the new, without a lock.
//!
//! C header: `include/linux/sysctl.h`

use crate::bindings;
use crate::net::{Handle, Net};
use crate::rcu;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::size_of_val;
use core::ops::Deref;
use core::ptr::NonNull;
use kernel::alloc::AllocError;
use kernel::cpumask::CpumaskVar;
use kernel::error::{from_result, to_result};
use kernel::prelude::*;
use kernel::str::CStr;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::Mutex;

/// A directory below `/proc/sys` that every namespace has for itself.
pub trait Directory: Sized + 'static {
    /// What keeps the values alive while a file is being read or written.
    type Handle: Deref<Target = Self>;
    /// What has the values.
    type Values: 'static;
    /// What a change may bring about.
    type Effect: 'static;

    /// Where the directory is, below `/proc/sys`.
    const PATH: &'static CStr;
    /// What is in it.
    const FILES: &'static [File<Self::Values, Self::Effect>];

    /// Finds the values of a namespace.
    ///
    /// # Errors
    ///
    /// What reading or writing any file then returns.
    fn of(net: &Net) -> Result<Self::Handle>;

    /// Returns what has the values.
    fn values(&self) -> &Self::Values;

    /// Carries out what a change that was stored brings about.
    fn carry_out(&self, net: &Net, effect: Self::Effect);
}

/// One file of a [`Directory`].
pub struct File<V: 'static, E: 'static> {
    /// The name in the directory.
    pub name: &'static CStr,
    /// Which users may write it.
    pub writers: Writers,
    /// What it holds.
    pub content: Content<V, E>,
}

/// The users that may write a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Root of the user namespace that owns the network namespace.
    Owner,
    /// The same, but no user if that is not the initial user namespace.
    Machine,
    /// The same, and the file is not there in other user namespaces.
    MachineAlone,
}

/// A value that may not be written.
#[derive(Debug)]
pub struct OutOfRange;

/// What a file holds and what may be written to it. What is refused is refused with `EINVAL`.
pub enum Content<V: 'static, E: 'static> {
    /// An `int`.
    Int {
        /// Where it is.
        place: fn(&V) -> &Atomic<i32>,
        /// Which values may be written.
        accepts: fn(i32) -> bool,
    },
    /// An `int` whose new value has an effect.
    Command {
        /// Returns what is read.
        load: fn(&V) -> i32,
        /// Stores what is written, and returns what that brings about.
        store: fn(&V, i32) -> Result<E, OutOfRange>,
    },
    /// An `int` in jiffies that users see in seconds.
    Seconds(fn(&V) -> &Atomic<i32>),
    /// An `unsigned long`.
    Long(fn(&V) -> &Atomic<usize>),
    /// Two `int`s; the first alone may be written.
    Pair {
        /// Where they are.
        place: fn(&V) -> &Pair,
        /// Which values may be written together.
        accepts: fn(i32, i32) -> bool,
    },
    /// A list of CPUs.
    Cpus(fn(&V) -> &CpuList),
}

/// Two numbers that are read and replaced together.
pub struct Pair(Atomic<u64>);

impl Pair {
    /// Makes a pair.
    pub const fn new(first: i32, second: i32) -> Self {
        Self(Atomic::new(Self::pack(first, second)))
    }

    const fn pack(first: i32, second: i32) -> u64 {
        (first as u32 as u64) | ((second as u32 as u64) << 32)
    }

    /// Returns both numbers.
    pub fn get(&self) -> (i32, i32) {
        let both = self.0.load(Relaxed);
        (both as u32 as i32, (both >> 32) as u32 as i32)
    }

    fn set(&self, first: i32, second: i32) {
        self.0.store(Self::pack(first, second), Relaxed);
    }
}

/// A list of CPUs; until one is written, those that the kernel leaves to its threads.
pub struct CpuList {
    written: Pin<KBox<Mutex<Option<Mask>>>>,
}

struct Mask(CpumaskVar);

// SAFETY: A mask is plain memory that belongs to no task or CPU.
unsafe impl Send for Mask {}

impl Mask {
    fn as_raw(&self) -> *mut bindings::cpumask {
        self.0.as_raw().cast()
    }
}

impl CpuList {
    /// Makes a list that was never written to.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    pub fn new() -> Result<Self, AllocError> {
        let written = KBox::pin_init(kernel::new_mutex!(None), GFP_KERNEL);
        let written = written.map_err(|_memory| AllocError)?;
        Ok(Self { written })
    }

    /// Prints the list into the buffer of a read and returns how many bytes that took.
    fn print(&self, text: Buffer<'_>) -> usize {
        // A read's buffer has room for a terminator behind the bytes that are asked for.
        let size = text.len.saturating_add(1);
        let start = text.start.cast();
        let written = self.written.lock();
        let count = match written.as_ref() {
            // SAFETY: The buffer has `size` bytes; the lock keeps the mask.
            Some(mask) => unsafe { bindings::rvs_helper_cpumask_print(start, size, mask.as_raw()) },
            // The kernel replaces this mask when a cpuset isolates CPUs, and frees the old one after
            // a grace period: it is looked up and printed in one section.
            None => rcu::read(|_rcu| {
                // SAFETY: The buffer has `size` bytes, and an RCU section is open.
                unsafe { bindings::rvs_helper_housekeeping_print_kthread(start, size) }
            }),
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// Replaces the list by what `text` says, as far as the calling task may run there.
    fn parse(&self, text: Buffer<'_>) -> Result {
        let copy = text.with_end()?;
        let mask = Mask(CpumaskVar::new_zero(GFP_KERNEL)?);
        // SAFETY: The copy ends with a zero byte.
        to_result(unsafe { bindings::rvs_helper_cpulist_parse(copy.as_ptr(), mask.as_raw()) })?;
        // SAFETY: The mask is this function's alone.
        unsafe { bindings::rvs_helper_cpumask_and_current(mask.as_raw()) };
        // Where cpumasks are stored in place they must not move: the new one is put into its place.
        self.written.lock().as_mut().set(Some(mask));
        Ok(())
    }
}

/// The kernel's copy of what a user reads or writes: `len` bytes, and one more for a terminator.
struct Buffer<'a> {
    start: *mut u8,
    len: usize,
    call: PhantomData<&'a Call>,
}

impl Buffer<'_> {
    /// Copies the text and ends it with a zero byte.
    fn with_end(&self) -> Result<KVec<u8>> {
        let size = self.len.checked_add(1).ok_or(EINVAL)?;
        let mut copy = KVec::from_elem(0, size, GFP_KERNEL)?;
        // SAFETY: The kernel's copy has `len` bytes; the new one has one more.
        unsafe { core::ptr::copy_nonoverlapping(self.start, copy.as_mut_ptr(), self.len) };
        Ok(copy)
    }
}

/// One call of a file's handler, as C made it.
///
/// # Invariants
///
/// The pointers are those that C passed, for as long as its call lasts.
struct Call {
    table: *const bindings::ctl_table,
    write: i32,
    buffer: *mut c_void,
    len: *mut usize,
    position: *mut bindings::loff_t,
}

/// One of the kernel's functions that turn text into numbers and back.
type Converter = unsafe extern "C" fn(
    *const bindings::ctl_table,
    i32,
    *mut c_void,
    *mut usize,
    *mut bindings::loff_t,
) -> i32;

impl Call {
    fn is_write(&self) -> bool {
        self.write != 0
    }

    /// Lets the kernel read or write `value`, which must be what `converter` is for.
    ///
    /// # Safety
    ///
    /// `converter` fits the numbers that `T` is made of.
    unsafe fn convert<T>(&self, value: &mut T, converter: Converter) -> Result {
        // SAFETY: By the type invariant the table is valid; it is plain data.
        let mut table = unsafe { core::ptr::read(self.table) };
        table.data = core::ptr::from_mut(value).cast();
        // To the kernel's functions these are the least and the greatest value, if anything.
        table.extra1 = core::ptr::null_mut();
        table.extra2 = core::ptr::null_mut();
        table.maxlen = i32::try_from(size_of_val(value))?;
        // SAFETY: By the type invariant for the pointers, by the caller's promise for the value.
        let result = unsafe { converter(&table, self.write, self.buffer, self.len, self.position) };
        to_result(result)
    }

    fn int(&self, value: &mut i32) -> Result {
        // SAFETY: It is for any number of `int`s.
        unsafe { self.convert(value, bindings::proc_dointvec) }
    }

    fn seconds(&self, value: &mut i32) -> Result {
        // SAFETY: It is for any number of `int`s.
        unsafe { self.convert(value, bindings::proc_dointvec_jiffies) }
    }

    fn pair(&self, values: &mut [i32; 2]) -> Result {
        // SAFETY: It is for any number of `int`s.
        unsafe { self.convert(values, bindings::proc_dointvec) }
    }

    fn long(&self, value: &mut usize) -> Result {
        // SAFETY: It is for any number of `unsigned long`s.
        unsafe { self.convert(value, bindings::proc_doulongvec_minmax) }
    }

    /// Passes over what is read or written anywhere but at the beginning.
    fn cpus(&self, list: &CpuList) -> Result {
        // SAFETY: By the type invariant.
        let len = unsafe { *self.len };
        // SAFETY: By the type invariant.
        let position = unsafe { *self.position };
        let text = Buffer {
            start: self.buffer.cast(),
            len,
            call: PhantomData,
        };
        let done = if position != 0 || len == 0 {
            0
        } else if self.is_write() {
            list.parse(text)?;
            len
        } else {
            list.print(text)
        };
        // SAFETY: By the type invariant.
        unsafe { *self.len = done };
        let moved = bindings::loff_t::try_from(done)?;
        // SAFETY: By the type invariant.
        unsafe { *self.position = position.saturating_add(moved) };
        Ok(())
    }
}

impl<V: 'static, E: 'static> Content<V, E> {
    /// Reads or writes a value; returns what that brings about.
    fn transfer(&self, state: &V, call: &Call) -> Result<Option<E>> {
        match self {
            Self::Int { place, accepts } => {
                let place = place(state);
                let mut value = place.load(Relaxed);
                call.int(&mut value)?;
                if call.is_write() {
                    accepts(value).then_some(()).ok_or(EINVAL)?;
                    place.store(value, Relaxed);
                }
            }
            Self::Command { load, store } => {
                let mut value = load(state);
                call.int(&mut value)?;
                if call.is_write() {
                    return store(state, value).map(Some).map_err(|_out| EINVAL);
                }
            }
            Self::Seconds(place) => {
                let place = place(state);
                let mut value = place.load(Relaxed);
                call.seconds(&mut value)?;
                if call.is_write() {
                    place.store(value, Relaxed);
                }
            }
            Self::Long(place) => {
                let place = place(state);
                let mut value = place.load(Relaxed);
                call.long(&mut value)?;
                if call.is_write() {
                    place.store(value, Relaxed);
                }
            }
            Self::Pair { place, accepts } => {
                let place = place(state);
                let (first, second) = place.get();
                let mut values = [first, second];
                let result = call.pair(&mut values);
                if call.is_write() {
                    // What was read before an error counts, as it does in the C module.
                    let [first, second] = values;
                    accepts(first, second).then_some(()).ok_or(EINVAL)?;
                    place.set(first, second);
                }
                result?;
            }
            Self::Cpus(place) => call.cpus(place(state))?,
        }
        Ok(None)
    }
}

/// Makes the directory `S` in a namespace, where it stays until that begins to go.
///
/// It belongs to the [`Handle`], so it cannot outlive the namespace or the module.
///
/// # Errors
///
/// `ENOMEM`, also when a file of the same name is there already, or `ENODEV` once the namespace
/// began to go.
///
/// # Locking
///
/// Process context; sleeps.
pub fn create<S: Directory>(handle: &Handle) -> Result {
    handle.register(Registered::new::<S>).map(|_number| ())
}

/// A directory that is there as long as this is.
///
/// # Invariants
///
/// The header is that of a directory in a namespace that is alive.
struct Registered {
    header: NonNull<bindings::ctl_table_header>,
    /// Read by C until the header is gone.
    _table: KVec<bindings::ctl_table>,
}

// SAFETY: A directory may be removed by any task; the table is only kept.
unsafe impl Send for Registered {}

impl Registered {
    fn new<S: Directory>(net: &Net) -> Result<Self> {
        let mut table = KVec::with_capacity(S::FILES.len(), GFP_KERNEL)?;
        let ours = net.is_owned_by_init_user();
        let shown =
            |file: &&File<S::Values, S::Effect>| ours || file.writers != Writers::MachineAlone;
        for file in S::FILES.iter().filter(shown) {
            let entry = bindings::ctl_table {
                procname: file.name.to_bytes_with_nul().as_ptr().cast(),
                mode: mode(file.writers, net),
                proc_handler: Some(handle::<S>),
                extra1: net.as_raw().cast(),
                extra2: core::ptr::from_ref(file).cast_mut().cast(),
                ..Default::default()
            };
            table.push_within_capacity(entry).map_err(|_| ENOMEM)?;
        }
        let path = S::PATH.to_bytes_with_nul().as_ptr().cast();
        // SAFETY: The table has as many entries as it says, and goes after the directory.
        let header = unsafe {
            bindings::register_net_sysctl_sz(net.as_raw(), path, table.as_ptr(), table.len())
        };
        let header = NonNull::new(header).ok_or(ENOMEM)?;
        // INVARIANT: Just made; a handle drops what it keeps while the namespace lives.
        Ok(Self {
            header,
            _table: table,
        })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; C waits for calls of a handler that are under way.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}

fn mode(writers: Writers, net: &Net) -> bindings::umode_t {
    match writers {
        Writers::Machine if !net.is_owned_by_init_user() => 0o444,
        Writers::Owner | Writers::Machine | Writers::MachineAlone => 0o644,
    }
}

/// Reads or writes one file.
///
/// # Safety
///
/// Called by C only, with an entry of a table that [`Registered::new`] made for `S`.
unsafe extern "C" fn handle<S: Directory>(
    table: *const bindings::ctl_table,
    write: i32,
    buffer: *mut c_void,
    len: *mut usize,
    position: *mut bindings::loff_t,
) -> i32 {
    // SAFETY: C lends the entry for the call.
    let table = unsafe { &*table };
    let (net, file) = (table.extra1, table.extra2);
    // SAFETY: The directory goes before the namespace does.
    let net = unsafe { Net::from_raw(net.cast()) };
    // SAFETY: `Registered::new` put an element of the static list there.
    let file = unsafe { &*file.cast::<File<S::Values, S::Effect>>().cast_const() };
    // INVARIANT: These are what C passed.
    let call = Call {
        table,
        write,
        buffer,
        len,
        position,
    };
    from_result(|| {
        let state = S::of(net)?;
        if let Some(effect) = file.content.transfer(state.values(), &call)? {
            state.carry_out(net, effect);
        }
        Ok(0)
    })
}
