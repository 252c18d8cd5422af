//! The alphabet of byte-level tokenizers: one printable character a byte.
//!
//! GPT-2's table (Radford et al. 2019, `bytes_to_unicode` of the published encoder): printable bytes of Latin-1 stand for themselves, the
//! other 68 take the characters from U+0100 on, in order.

/// The first character that stands for an unprintable byte.
const FIRST: u32 = 0x100;
/// Unprintable bytes: 0x00 to 0x20, 0x7f to 0xa0, and 0xad.
const HIDDEN: usize = 68;

const fn plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The unprintable bytes in order.
const HIDDEN_BYTES: [u8; HIDDEN] = {
    let mut table = [0; HIDDEN];
    let (mut byte, mut at) = (0_u8, 0);
    while at < HIDDEN {
        if !plain(byte) {
            table[at] = byte;
            at += 1;
        }
        byte = byte.wrapping_add(1);
    }
    table
};

/// The character that a byte is written as.
pub(crate) fn char_of(byte: u8) -> char {
    if plain(byte) {
        return char::from(byte);
    }
    let place = HIDDEN_BYTES.iter().position(|b| *b == byte).unwrap_or_default();
    char::from_u32(FIRST + place as u32).unwrap_or_default()
}

/// The byte that a character stands for, if it is one of the table.
pub(crate) fn byte_of(c: char) -> Option<u8> {
    match u32::from(c).checked_sub(FIRST) {
        Some(place) => HIDDEN_BYTES.get(place as usize).copied(),
        None => u8::try_from(c).ok().filter(|b| plain(*b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        for byte in 0..=255 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        assert_eq!((char_of(b' '), char_of(b'\n'), char_of(0xad), char_of(b'a')), ('Ġ', 'Ċ', 'Ń', 'a'));
        assert_eq!((byte_of(' '), byte_of('日'), byte_of('\u{144}')), (None, None, None));
    }
}
