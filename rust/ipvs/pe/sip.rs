// SPDX-License-Identifier: GPL-2.0
//! SIP over UDP (RFC 3261): all messages of a call have the same Call-ID.
//!
//! The header is looked for as connection tracking looks for headers of SIP, because that is what C
//! asks: a line begins behind CR, LF or both, so the first line has no header; the end of the headers
//! is not noticed, so the body may have one; a line that begins like the header and goes on otherwise
//! ends the search.

use super::{Spec, DATA_MAX};
use crate::packet::{udp, Header, Packet};

/// See [`super::Engine::Sip`].
pub(super) const SPEC: Spec = Spec {
    name: "sip",
    begins: payload,
    find: call_id,
    serves_servers: true,
};

/// The name of the header, in small letters.
const NAME: &[u8; 7] = b"call-id";
/// Its compact form.
const SHORT_NAME: u8 = b'i';

fn payload(packet: &Packet) -> Option<u32> {
    let header = u32::try_from(udp::HEADER).ok()?;
    let is_datagram = matches!(packet.header, Header::Udp { .. });
    is_datagram.then(|| u32::from(packet.transport_offset).saturating_add(header))
}

/// Finds the Call-ID of a message.
fn call_id(bytes: &[u8]) -> Option<&[u8]> {
    let text = Text(bytes);
    let mut from: usize = 0;
    let (place, end) = loop {
        let place = text.value(from)?;
        match text.word_at_word(place) {
            Some(end) => break (place, end),
            // As C does, which takes the place, counted from the beginning, for one counted from here.
            None => from = from.saturating_add(place),
        }
    };
    let is_terminated = text.at(end).is_some_and(is_end_of_line);
    let value = bytes.get(place..end)?;
    (value.len() <= DATA_MAX && is_terminated).then_some(value)
}

/// The bytes of a message.
struct Text<'a>(&'a [u8]);

/// What a line begins with.
enum Line {
    /// The header; its name ends at a place.
    Wanted(usize),
    /// Anything else.
    Other,
}

impl Text<'_> {
    fn at(&self, place: usize) -> Option<u8> {
        self.0.get(place).copied()
    }

    /// Returns the place of the value of the first header in the lines that begin behind `from`.
    fn value(&self, from: usize) -> Option<usize> {
        let mut place = from;
        loop {
            if !is_end_of_line(self.at(place)?) {
                place = place.saturating_add(1);
                continue;
            }
            let begin = self.behind_end_of_line(place);
            self.at(begin)?;
            if let Line::Wanted(end) = self.line(begin) {
                return self.behind_colon(end);
            }
            place = begin.saturating_add(1);
        }
    }

    /// Tells what the line at a place begins with.
    fn line(&self, begin: usize) -> Line {
        let mut place = begin;
        for wanted in NAME {
            let byte = self.at(place);
            if byte.map(|byte| byte.to_ascii_lowercase()) != Some(*wanted) {
                return self.short_line(begin);
            }
            place = place.saturating_add(1);
        }
        Line::Wanted(place)
    }

    /// The same for the compact form, behind which comes no letter.
    fn short_line(&self, begin: usize) -> Line {
        let end = begin.saturating_add(1);
        let name = self.at(begin).map(|byte| byte.to_ascii_lowercase());
        match (name, self.at(end)) {
            (Some(SHORT_NAME), Some(next)) if !is_letter(next) => Line::Wanted(end),
            _ => Line::Other,
        }
    }

    /// Returns the place behind a colon and the blanks around it.
    fn behind_colon(&self, place: usize) -> Option<usize> {
        let colon = self.behind_blanks(place)?;
        (self.at(colon)? == b':').then_some(())?;
        let value = colon.saturating_add(1);
        self.at(value)?;
        self.behind_blanks(value)
    }

    /// Returns the place behind blanks, which may go on in one line more.
    fn behind_blanks(&self, place: usize) -> Option<usize> {
        let end = self.behind_spaces(place);
        match self.at(end) {
            Some(byte) if is_end_of_line(byte) => {
                let next = self.behind_end_of_line(end);
                is_blank(self.at(next)?).then(|| self.behind_spaces(next))
            }
            Some(_) | None => Some(end),
        }
    }

    fn behind_spaces(&self, place: usize) -> usize {
        let mut end = place;
        while self.at(end).is_some_and(is_blank) {
            end = end.saturating_add(1);
        }
        end
    }

    /// Returns the place behind CR, LF or both.
    fn behind_end_of_line(&self, place: usize) -> usize {
        let next = place.saturating_add(1);
        match (self.at(place), self.at(next)) {
            (Some(b'\r'), Some(b'\n')) => next.saturating_add(1),
            _ => next,
        }
    }

    /// Returns where a word ends, or two with an `@` between them; `None` if there is no word, or none
    /// behind the `@`.
    fn word_at_word(&self, place: usize) -> Option<usize> {
        let end = self.behind_word(place);
        if end == place || self.at(end) != Some(b'@') {
            return (end != place).then_some(end);
        }
        let host = end.saturating_add(1);
        let end = self.behind_word(host);
        (end != host).then_some(end)
    }

    fn behind_word(&self, place: usize) -> usize {
        let mut end = place;
        while self.at(end).is_some_and(is_of_word) {
            end = end.saturating_add(1);
        }
        end
    }
}

const fn is_end_of_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns whether a byte is a letter of ISO 8859-1, as C takes them.
const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}

/// Returns whether a byte can be in a `word` of the grammar.
const fn is_of_word(byte: u8) -> bool {
    const MARKS: &[u8] = b"-.!%*_+`'~()<>:\\\"/[]?{}";
    let mut rest = MARKS;
    while let [mark, others @ ..] = rest {
        if *mark == byte {
            return true;
        }
        rest = others;
    }
    is_letter(byte) || byte.is_ascii_digit()
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_pe_sip))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    use super::call_id as found;

    #[test]
    fn header_has_two_names_and_no_case() {
        for name in ["Call-ID", "call-id", "CALL-ID", "i", "I"] {
            for colon in [":", ": ", " : ", "\t:\t", ":\r\n ", "\n\t:", ": \r "] {
                let mut text = [0; 64];
                let mut len = 0;
                for part in ["OPTIONS x\r\n", name, colon, "a@b", "\r\n"] {
                    for byte in part.bytes() {
                        text[len] = byte;
                        len += 1;
                    }
                }
                assert_eq!(found(&text[..len]), Some(&b"a@b"[..]));
            }
        }
    }

    #[test]
    fn line_begins_behind_any_end_of_another() {
        assert_eq!(found(b"x\ni:a\r"), Some(&b"a"[..]));
        assert_eq!(found(b"x\ri:a\r"), Some(&b"a"[..]));
        assert_eq!(found(b"x\r\n\r\ni:a\n"), Some(&b"a"[..]));
        // The first line has no header, and neither has the one behind an empty one that LF ends.
        assert_eq!(found(b"i:a\r\n"), None);
        assert_eq!(found(b"x\n\ni:a\r"), None);
        // A folded line is none.
        assert_eq!(found(b"x\r\n i:a\r\n"), None);
    }

    #[test]
    fn value_is_one_word_or_two() {
        assert_eq!(found(b"\ni:a@b@c\n"), None);
        assert_eq!(found(b"\ni:a b\n"), None);
        assert_eq!(found(b"\ni:a;b\n"), None);
        assert_eq!(found(b"\ni:\xe9\xc0\n"), Some(&b"\xe9\xc0"[..]));
        assert_eq!(found(b"\ni:\xd7\n"), None);
        let marks = b"\ni:-.!%*_+`'~()<>:\\\"/[]?{}@09azAZ\n";
        assert_eq!(found(marks), Some(&marks[3..marks.len() - 1]));
    }

    #[test]
    fn value_ends_before_the_packet_does() {
        assert_eq!(found(b"\ni:a"), None);
        assert_eq!(found(b"\ni:a\n"), Some(&b"a"[..]));
        for text in [
            &b"\ni"[..],
            b"\ni:",
            b"\ni: ",
            b"\n",
            b"",
            b"\ni:\r\n",
            b"\ni:\r",
        ] {
            assert_eq!(found(text), None);
        }
    }

    #[test]
    fn length_has_a_limit() {
        let message = |len: usize| {
            let mut text = [b'x'; 400];
            text[..3].copy_from_slice(b"\ni:");
            text[3 + len] = b'\n';
            text
        };
        let longest = message(DATA_MAX);
        assert_eq!(found(&longest).map(<[u8]>::len), Some(DATA_MAX));
        assert_eq!(found(&message(DATA_MAX + 1)), None);
    }

    #[test]
    fn header_that_goes_on_otherwise_ends_the_search() {
        assert_eq!(found(b"\nCall-IDs: a\ni: b\n"), None);
        assert_eq!(found(b"\ni-x: a\ni: b\n"), None);
        assert_eq!(found(b"\nCall-ID a\ni: b\n"), None);
        assert_eq!(found(b"\nid: a\ni: b\n"), Some(&b"b"[..]));
        assert_eq!(found(b"\ncall-i: a\ni: b\n"), Some(&b"b"[..]));
    }

    #[test]
    fn empty_value_lets_the_search_go_on() {
        assert_eq!(found(b"\ni: @\ni: b\n"), Some(&b"b"[..]));
        assert_eq!(found(b"\ni: a@\ni: b\n"), Some(&b"b"[..]));
        // The second one moves it further than it is long.
        assert_eq!(found(b"\ni: @\ni: @\ni: b\n"), None);
        assert_eq!(found(b"\ni: @\ni: @\nxxxxxx\ni: b\n"), Some(&b"b"[..]));
        assert_eq!(found(b"\ni: b\ni: c\n"), Some(&b"b"[..]));
    }
}
