// SPDX-License-Identifier: GPL-2.0
//! Reads and writes user space formats; errors of malformed input.
//!
//! Netlink attributes: a length that counts itself, a type, the payload, padding to four bytes.
//! Reading is liberal, as C's has always been: unknown types are for the caller to skip, a broken
//! tail ends the walk, flag bits of the type are ignored.
//!
//! C header: `include/uapi/linux/netlink.h`

pub mod genl;

/// Why the payload of an attribute is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its type needs.
    Short,
    /// Longer than its type allows.
    Long,
    /// A string without its end.
    Unterminated,
}

/// The size of an attribute's header.
const HEADER: usize = 4;

/// What of a type is not a flag (C: `NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

/// One attribute of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without flags.
    pub kind: u16,
    /// What it says.
    pub payload: &'a [u8],
}

/// Walks over attributes that lie one after the other; ends at the first that is broken.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Begins at the start of `bytes`.
    pub const fn of(bytes: &'a [u8]) -> Attributes<'a> {
        Attributes(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (header, rest) = self.0.split_first_chunk::<HEADER>()?;
        let [len, more, kind, flags] = *header;
        let len = usize::from(u16::from_ne_bytes([len, more])).checked_sub(HEADER)?;
        let payload = rest.get(..len)?;
        self.0 = rest.get(padded(len)..).unwrap_or(&[]);
        Some(Attribute {
            kind: u16::from_ne_bytes([kind, flags]) & TYPE_MASK,
            payload,
        })
    }
}

/// Returns `len` with its padding.
const fn padded(len: usize) -> usize {
    len.saturating_add(3) & !3
}

impl<'a> Attribute<'a> {
    /// Returns the first bytes of a number.
    fn number<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.payload.first_chunk().copied().ok_or(Malformed::Short)
    }

    /// Reads a number of one byte; more bytes are ignored.
    ///
    /// # Errors
    ///
    /// [`Malformed::Short`].
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.number().map(u8::from_ne_bytes)
    }

    /// Reads a number of two bytes; more bytes are ignored.
    ///
    /// # Errors
    ///
    /// [`Malformed::Short`].
    pub fn u16(&self) -> Result<u16, Malformed> {
        self.number().map(u16::from_ne_bytes)
    }

    /// Reads a number of four bytes; more bytes are ignored.
    ///
    /// # Errors
    ///
    /// [`Malformed::Short`].
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.number().map(u32::from_ne_bytes)
    }

    /// Reads a port.
    ///
    /// # Errors
    ///
    /// [`Malformed::Short`].
    pub fn port(&self) -> Result<crate::addr::Port, Malformed> {
        self.number().map(crate::addr::Port::from_bytes)
    }

    /// Reads `N` bytes; what is missing at the end is zero.
    ///
    /// # Errors
    ///
    /// [`Malformed::Long`].
    pub fn binary<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        if self.payload.len() > N {
            return Err(Malformed::Long);
        }
        let mut bytes = [0; N];
        for (place, byte) in bytes.iter_mut().zip(self.payload) {
            *place = *byte;
        }
        Ok(bytes)
    }

    /// Reads a string of at most `max` bytes and the NUL that ends it; returns it without the NUL.
    ///
    /// # Errors
    ///
    /// [`Malformed::Unterminated`] without a NUL in the first `max` + 1 bytes, [`Malformed::Long`]
    /// when more than `max` bytes and one NUL are there.
    pub fn string(&self, max: usize) -> Result<&'a [u8], Malformed> {
        let (text, _) = self
            .payload
            .iter()
            .position(|byte| *byte == 0)
            .filter(|end| *end <= max)
            .and_then(|end| self.payload.split_at_checked(end))
            .ok_or(Malformed::Unterminated)?;
        let len = match self.payload {
            [rest @ .., 0] => rest.len(),
            all => all.len(),
        };
        if len > max {
            return Err(Malformed::Long);
        }
        Ok(text)
    }

    /// Checks attributes inside this one and returns their bytes.
    ///
    /// # Errors
    ///
    /// [`Malformed::Short`] if it is neither empty nor as long as one attribute.
    pub fn nest(&self) -> Result<&'a [u8], Malformed> {
        if matches!(self.payload.len(), 1..HEADER) {
            return Err(Malformed::Short);
        }
        Ok(self.payload)
    }
}

/// The buffer of a message is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Writes attributes into a buffer, one after the other.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    used: usize,
    /// Where the buffer's bytes will be, if numbers of eight bytes have to begin at multiples of
    /// eight there.
    place: Option<usize>,
}

impl<'a> Writer<'a> {
    /// Begins at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer::at(None, buffer)
    }

    /// Begins at the start of `buffer`, whose bytes will be at `place` when they are read by a
    /// machine that reads numbers of eight bytes from multiples of eight only.
    pub fn at(place: Option<usize>, buffer: &'a mut [u8]) -> Writer<'a> {
        Writer {
            buffer,
            used: 0,
            place,
        }
    }

    /// Returns what was written.
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.used).unwrap_or(&[])
    }

    /// Writes one attribute.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn put<const N: usize>(&mut self, kind: u16, payload: &[u8; N]) -> Result<(), Full> {
        let len = HEADER.saturating_add(N);
        let end = self.used.saturating_add(padded(len));
        let place = self.buffer.get_mut(self.used..end).ok_or(Full)?;
        let (head, rest) = place.split_first_chunk_mut().ok_or(Full)?;
        let (body, padding) = rest.split_first_chunk_mut().ok_or(Full)?;
        *head = header(kind, len)?;
        *body = *payload;
        padding.fill(0);
        self.used = end;
        Ok(())
    }

    /// Writes one number of eight bytes; before it an empty attribute `pad`, if the number would
    /// not begin where it has to.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn put_wide(&mut self, kind: u16, pad: u16, number: u64) -> Result<(), Full> {
        let at = self.place.map(|place| place.wrapping_add(self.used));
        if at.is_some_and(|at| at & 7 == 0) {
            self.put(pad, &[])?;
        }
        self.put(kind, &number.to_ne_bytes())
    }

    /// Writes a string and the NUL that ends it.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn put_string(&mut self, kind: u16, text: &str) -> Result<(), Full> {
        let len = HEADER.saturating_add(text.len()).saturating_add(1);
        let header = header(kind, len)?;
        let all = header.iter().chain(text.as_bytes()).copied();
        self.append(all.chain(core::iter::repeat(0)), padded(len))
    }

    /// Writes an attribute that holds those which `fill` writes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn nest(
        &mut self,
        kind: u16,
        fill: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let start = self.used;
        self.append(core::iter::repeat(0), HEADER)?;
        fill(self)?;
        let header = header(kind, self.used.saturating_sub(start))?;
        let place = self.buffer.get_mut(start..).ok_or(Full)?;
        for (place, byte) in place.iter_mut().zip(header) {
            *place = byte;
        }
        Ok(())
    }

    /// Writes the first `len` of `bytes`.
    fn append(&mut self, bytes: impl Iterator<Item = u8>, len: usize) -> Result<(), Full> {
        let end = self.used.saturating_add(len);
        let place = self.buffer.get_mut(self.used..end).ok_or(Full)?;
        for (place, byte) in place.iter_mut().zip(bytes) {
            *place = byte;
        }
        self.used = end;
        Ok(())
    }
}

/// Returns the header of an attribute of `len` bytes, header included.
fn header(kind: u16, len: usize) -> Result<[u8; HEADER], Full> {
    let [len, more] = u16::try_from(len).map_err(|_| Full)?.to_ne_bytes();
    let [kind, flags] = kind.to_ne_bytes();
    Ok([len, more, kind, flags])
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_wire))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_were_written() {
        let mut buffer = [0xff; 64];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.put(1, &[7]), Ok(()));
        assert_eq!(writer.put_string(2, "abcd"), Ok(()));
        assert_eq!(writer.nest(3, |nest| nest.put(4, &[])), Ok(()));
        let mut read = Attributes::of(writer.written());
        assert_eq!(read.next(), attribute(1, &[7]));
        assert_eq!(read.next(), attribute(2, b"abcd\0"));
        let inner = in_host_order(&[4, 0, 4, 0]);
        assert_eq!(read.next(), attribute(3, &inner));
        assert_eq!(read.next(), None);
    }

    #[test]
    fn padding_is_zero_and_not_part_of_the_length() {
        let mut buffer = [0xff; 8];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.put(1, &[7]), Ok(()));
        assert_eq!(writer.written().last_chunk(), Some(&[7, 0, 0, 0]));
        assert_eq!(Attributes::of(writer.written()).next(), attribute(1, &[7]));
    }

    #[test]
    fn last_attribute_needs_no_padding() {
        let [a, b, c, d] = in_host_order(&[5, 0, 1, 0]);
        let bytes = [a, b, c, d, 7];
        let mut read = Attributes::of(&bytes);
        assert_eq!(read.next(), attribute(1, &[7]));
        assert_eq!(read.next(), None);
    }

    #[test]
    fn walk_ends_at_a_broken_length() {
        assert_eq!(Attributes::of(&in_host_order(&[3, 0, 1, 0])).next(), None);
        assert_eq!(Attributes::of(&in_host_order(&[5, 0, 1, 0])).next(), None);
        assert_eq!(Attributes::of(&[4, 0, 1]).next(), None);
    }

    #[test]
    fn flags_of_a_type_are_ignored() {
        let bytes = in_host_order(&[4, 0, 3, 0xc0]);
        assert_eq!(Attributes::of(&bytes).next(), attribute(3, &[]));
    }

    #[test]
    fn numbers_may_be_too_long_but_not_too_short() {
        assert_eq!(of(&[1]).u16(), Err(Malformed::Short));
        assert_eq!(of(&[0, 0, 0]).u16(), Ok(0));
        assert_eq!(of(&[0, 0, 0]).u32(), Err(Malformed::Short));
        assert_eq!(of(&[]).u8(), Err(Malformed::Short));
    }

    #[test]
    fn short_binaries_are_filled_with_zeroes() {
        assert_eq!(of(&[1, 2]).binary(), Ok([1, 2, 0, 0]));
        assert_eq!(of(&[]).binary(), Ok([0, 0]));
        assert_eq!(of(&[1, 2, 3]).binary::<2>(), Err(Malformed::Long));
    }

    #[test]
    fn strings_end_with_nul_in_time() {
        assert_eq!(of(b"rr\0").string(3), Ok(b"rr".as_slice()));
        assert_eq!(of(b"rrr\0").string(3), Ok(b"rrr".as_slice()));
        assert_eq!(of(b"\0").string(3), Ok(b"".as_slice()));
        assert_eq!(of(b"").string(3), Err(Malformed::Unterminated));
        assert_eq!(of(b"rr").string(3), Err(Malformed::Unterminated));
        assert_eq!(of(b"rrrr\0").string(3), Err(Malformed::Unterminated));
    }

    #[test]
    fn strings_may_have_bytes_behind_their_end_up_to_the_maximum() {
        assert_eq!(of(b"r\0x").string(3), Ok(b"r".as_slice()));
        assert_eq!(of(b"r\0x\0").string(3), Ok(b"r".as_slice()));
        assert_eq!(of(b"r\0xy").string(3), Err(Malformed::Long));
        assert_eq!(of(b"r\0xy\0").string(3), Err(Malformed::Long));
    }

    #[test]
    fn nests_are_empty_or_hold_an_attribute() {
        assert_eq!(of(&[]).nest(), Ok([].as_slice()));
        assert_eq!(of(&[0, 0, 0]).nest(), Err(Malformed::Short));
        assert!(of(&[0, 0, 0, 0]).nest().is_ok());
    }

    #[test]
    fn writer_refuses_what_does_not_fit() {
        let mut buffer = [0; 8];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.put(1, &[0; 5]), Err(Full));
        assert_eq!(writer.put(1, &[0; 4]), Ok(()));
        assert_eq!(writer.put(1, &[]), Err(Full));
        assert_eq!(Writer::new(&mut []).nest(1, |_| Ok(())), Err(Full));
    }

    #[test]
    fn wide_numbers_begin_at_multiples_of_eight_where_they_have_to() {
        for (place, kinds) in [
            (None, [1, 2, 3].as_slice()),
            (Some(4), &[1, 9, 2, 9, 3]),
            (Some(20), &[1, 9, 2, 9, 3]),
            (Some(16), &[9, 1, 9, 2, 9, 3]),
        ] {
            let mut buffer = [0; 64];
            let mut out = Writer::at(place, &mut buffer);
            for kind in 1..=3 {
                assert_eq!(out.put_wide(kind, 9, 5), Ok(()));
            }
            let read = || Attributes::of(out.written());
            assert!(read().map(|item| item.kind).eq(kinds.iter().copied()));
            let wide = read().filter(|item| item.kind != 9);
            assert!(wide
                .map(|item| item.payload)
                .all(|item| item == 5_u64.to_ne_bytes()));
            assert!(read()
                .filter(|item| item.kind == 9)
                .all(|item| item.payload.is_empty()));
        }
    }

    fn of(payload: &[u8]) -> Attribute<'_> {
        Attribute { kind: 1, payload }
    }

    fn attribute(kind: u16, payload: &[u8]) -> Option<Attribute<'_>> {
        Some(Attribute { kind, payload })
    }

    /// Turns the two little-endian numbers of a header into the machine's.
    fn in_host_order(header: &[u8; 4]) -> [u8; 4] {
        let [a, b, c, d] = *header;
        let [a, b] = u16::from_le_bytes([a, b]).to_ne_bytes();
        let [c, d] = u16::from_le_bytes([c, d]).to_ne_bytes();
        [a, b, c, d]
    }
}
