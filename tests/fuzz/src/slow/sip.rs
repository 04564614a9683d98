// SPDX-License-Identifier: GPL-2.0
//! The Call-ID of a SIP message, found in its pieces: what ends lines, blanks, words.

/// The characters of a `word` (RFC 3261, section 25.1) that are no letters or digits.
const MARKS: &str = "-.!%*_+`'~()<>:\\\"/[]?{}";

/// Returns the Call-ID of a message and where it begins.
pub fn call_id(message: &[u8]) -> Option<(usize, &[u8])> {
    let mut skipped = 0;
    loop {
        let place = value(message, skipped)?;
        let text = &message[place..];
        let first = word(text);
        let len = match text[first..].split_first() {
            Some((b'@', rest)) if first > 0 => match word(rest) {
                0 => 0,
                second => first + 1 + second,
            },
            _ => first,
        };
        match len {
            0 => skipped += place,
            1..256
                if text[len..]
                    .first()
                    .is_some_and(|byte| b"\r\n".contains(byte)) =>
            {
                return Some((place, &text[..len]))
            }
            _ => return None,
        }
    }
}

/// Returns where the value of the first header behind `skipped` bytes begins.
fn value(message: &[u8], skipped: usize) -> Option<usize> {
    let mut rest = message.get(skipped..)?;
    loop {
        let end = rest.iter().position(|byte| b"\r\n".contains(byte))?;
        let line = behind_end(&rest[end..]);
        if line.is_empty() {
            return None;
        }
        if let Some(behind) = behind_name(line) {
            let colon = behind_blanks(behind)?;
            let value = colon.strip_prefix(b":").filter(|rest| !rest.is_empty())?;
            return Some(message.len() - behind_blanks(value)?.len());
        }
        // The first character of a line is not looked at again.
        rest = &line[1..];
    }
}

fn behind_name(line: &[u8]) -> Option<&[u8]> {
    if line.len() >= 7 && line[..7].eq_ignore_ascii_case(b"call-id") {
        return Some(&line[7..]);
    }
    let next = *line.get(1)? as char;
    (line[0].eq_ignore_ascii_case(&b'i') && !next.is_alphabetic_in_latin1()).then(|| &line[1..])
}

fn behind_blanks(text: &[u8]) -> Option<&[u8]> {
    let rest = without_blanks(text);
    if !rest.first().is_some_and(|byte| b"\r\n".contains(byte)) {
        return Some(rest);
    }
    let next = behind_end(rest);
    let folded = without_blanks(next);
    (folded.len() < next.len()).then_some(folded)
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| b" \t".contains(byte));
    &text[blanks.count()..]
}

/// Returns the text behind what ends a line, with which it begins.
fn behind_end(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\r\n").unwrap_or(&text[1..])
}

fn word(text: &[u8]) -> usize {
    let is_of_word = |byte: &&u8| {
        let letter = **byte as char;
        letter.is_ascii_digit() || letter.is_alphabetic_in_latin1() || MARKS.contains(letter)
    };
    text.iter().take_while(is_of_word).count()
}

/// What letters are in ISO 8859-1, without the three that are superscripts or signs below À.
trait Latin1 {
    fn is_alphabetic_in_latin1(self) -> bool;
}

impl Latin1 for char {
    fn is_alphabetic_in_latin1(self) -> bool {
        self.is_ascii_alphabetic() || (self >= 'À' && self.is_alphabetic())
    }
}
